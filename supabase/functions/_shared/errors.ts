/**
 * The catalogue of error codes (docs: design §6). A code is stable and for programs; its sentences are
 * for people, in the languages of `Accept-Language`.
 */
const catalogue = {
  INVALID_INPUT: [400, {
    es: "La solicitud tiene datos no válidos.",
    en: "The request has invalid data.",
    pt: "A solicitação tem dados inválidos.",
  }],
  INVALID_IMAGE: [400, {
    es: "La foto no es una imagen JPEG, PNG o WebP completa.",
    en: "The photo is not a complete JPEG, PNG or WebP picture.",
    pt: "A foto não é uma imagem JPEG, PNG ou WebP completa.",
  }],
  UNAUTHENTICATED: [401, {
    es: "Falta una credencial válida.",
    en: "A valid credential is missing.",
    pt: "Falta uma credencial válida.",
  }],
  FORBIDDEN: [403, {
    es: "No tienes permiso para hacer esto.",
    en: "You are not allowed to do this.",
    pt: "Você não tem permissão para fazer isso.",
  }],
  EVENT_NOT_STARTED: [403, {
    es: "El evento todavía no empezó.",
    en: "The event has not started yet.",
    pt: "O evento ainda não começou.",
  }],
  EVENT_ENDED: [403, {
    es: "El evento ya terminó.",
    en: "The event has ended.",
    pt: "O evento já terminou.",
  }],
  EVENT_PAUSED: [403, {
    es: "El evento está en pausa. Inténtalo más tarde.",
    en: "The event is paused. Try again later.",
    pt: "O evento está em pausa. Tente mais tarde.",
  }],
  STYLE_NOT_OFFERED: [403, {
    es: "Este evento no ofrece ese estilo.",
    en: "This event does not offer that style.",
    pt: "Este evento não oferece esse estilo.",
  }],
  STYLE_LOCKED: [403, {
    es: "Ese estilo es premium: desbloquea su pack primero.",
    en: "That style is premium: unlock its pack first.",
    pt: "Esse estilo é premium: desbloqueie o pacote primeiro.",
  }],
  INSUFFICIENT_CREDITS: [402, {
    es: "No tienes créditos suficientes.",
    en: "You do not have enough credits.",
    pt: "Você não tem créditos suficientes.",
  }],
  EVENT_SOLD_OUT: [402, {
    es: "El evento usó todas sus fotos.",
    en: "The event has used all of its photos.",
    pt: "O evento usou todas as suas fotos.",
  }],
  EVENT_NOT_FOUND: [404, {
    es: "No existe ese evento.",
    en: "There is no such event.",
    pt: "Esse evento não existe.",
  }],
  STYLE_NOT_FOUND: [404, {
    es: "No existe ese estilo.",
    en: "There is no such style.",
    pt: "Esse estilo não existe.",
  }],
  GENERATION_NOT_FOUND: [404, {
    es: "No existe esa foto.",
    en: "There is no such photo.",
    pt: "Essa foto não existe.",
  }],
  ORDER_NOT_FOUND: [404, {
    es: "No existe esa orden.",
    en: "There is no such order.",
    pt: "Esse pedido não existe.",
  }],
  NOT_FOUND: [404, {
    es: "No existe esa dirección.",
    en: "There is nothing at this address.",
    pt: "Não há nada neste endereço.",
  }],
  METHOD_NOT_ALLOWED: [405, {
    es: "Esta dirección no acepta ese método.",
    en: "This address does not accept that method.",
    pt: "Este endereço não aceita esse método.",
  }],
  IDEMPOTENCY_CONFLICT: [409, {
    es: "Esa clave ya se usó para otra solicitud.",
    en: "That key was already used for another request.",
    pt: "Essa chave já foi usada para outra solicitação.",
  }],
  SLUG_TAKEN: [409, {
    es: "Ese nombre de enlace ya está en uso.",
    en: "That link name is already in use.",
    pt: "Esse nome de link já está em uso.",
  }],
  CONFLICT: [409, {
    es: "El estado cambió mientras tanto. Vuelve a intentarlo.",
    en: "The state has changed meanwhile. Try again.",
    pt: "O estado mudou nesse meio tempo. Tente de novo.",
  }],
  PAYLOAD_TOO_LARGE: [413, {
    es: "La solicitud o la foto es demasiado grande.",
    en: "The request or the photo is too large.",
    pt: "A solicitação ou a foto é grande demais.",
  }],
  UNSUPPORTED_MEDIA_TYPE: [415, {
    es: "El cuerpo debe ser JSON (application/json).",
    en: "The body must be JSON (application/json).",
    pt: "O corpo deve ser JSON (application/json).",
  }],
  RATE_LIMITED: [429, {
    es: "Demasiadas solicitudes. Espera un momento.",
    en: "Too many requests. Wait a moment.",
    pt: "Solicitações demais. Espere um momento.",
  }],
  GUEST_LIMIT_REACHED: [429, {
    es: "Ya hiciste todas tus fotos en este evento.",
    en: "You have made all of your photos at this event.",
    pt: "Você já fez todas as suas fotos neste evento.",
  }],
  PIN_LOCKED: [429, {
    es: "Demasiados intentos con el PIN. Espera un momento.",
    en: "Too many PIN attempts. Wait a moment.",
    pt: "Tentativas demais com o PIN. Espere um momento.",
  }],
  INTERNAL: [500, {
    es: "Algo falló de nuestro lado. Vuelve a intentarlo.",
    en: "Something failed on our side. Try again.",
    pt: "Algo falhou do nosso lado. Tente de novo.",
  }],
  MAINTENANCE: [503, {
    es: "Estamos en mantenimiento. Vuelve pronto.",
    en: "We are in maintenance. Come back soon.",
    pt: "Estamos em manutenção. Volte logo.",
  }],
  UNAVAILABLE: [503, {
    es: "El servicio no está disponible por ahora.",
    en: "The service is not available right now.",
    pt: "O serviço não está disponível agora.",
  }],
  // Carried by a generation that failed, never by an HTTP failure of its own.
  GENERATION_FAILED: [500, {
    es: "La foto no se pudo crear. El crédito fue devuelto.",
    en: "The photo could not be made. The credit was returned.",
    pt: "A foto não pôde ser criada. O crédito foi devolvido.",
  }],
  GENERATION_REFUSED: [500, {
    es: "La foto fue rechazada por su contenido. El crédito fue devuelto; prueba con otra.",
    en: "The photo was refused because of its content. The credit was returned; try another one.",
    pt: "A foto foi recusada pelo conteúdo. O crédito foi devolvido; tente com outra.",
  }],
  GENERATION_TIMED_OUT: [500, {
    es: "La foto tardó demasiado. El crédito fue devuelto.",
    en: "The photo took too long. The credit was returned.",
    pt: "A foto demorou demais. O crédito foi devolvido.",
  }],
  PROVIDER_UNAVAILABLE: [500, {
    es: "El servicio de imágenes no responde. El crédito fue devuelto.",
    en: "The picture service does not answer. The credit was returned.",
    pt: "O serviço de imagens não responde. O crédito foi devolvido.",
  }],
} as const satisfies Record<string, readonly [number, Record<Language, string>]>;

/** The languages that messages are written in. */
export type Language = "es" | "en" | "pt";

/** Every code that can leave the server. */
export type ErrorCode = keyof typeof catalogue;

/** All codes, in the order of the catalogue. */
export const errorCodes = Object.keys(catalogue) as ErrorCode[];

/** Why a photo could not be made. */
export const generationErrors = [
  "GENERATION_FAILED",
  "GENERATION_REFUSED",
  "GENERATION_TIMED_OUT",
  "PROVIDER_UNAVAILABLE",
] as const satisfies ErrorCode[];

/** One invalid field of a request: its path (`event_id`, `photo.width`) and what is wrong with it. */
export interface FieldError {
  field: string;
  message: string;
}

/** Whether a text is a code of the catalogue. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(catalogue, code);
}

/** The HTTP status of a code. */
export function statusOf(code: ErrorCode): number {
  return catalogue[code][0];
}

/** The sentence for people. */
export function messageOf(code: ErrorCode, language: Language): string {
  return catalogue[code][1][language];
}

/**
 * The language that an `Accept-Language` header prefers among ours; Spanish when it names none.
 * RFC 9110 §12.5.4: ranges with weights, the highest first.
 */
export function languageOf(header: string | null | undefined): Language {
  const ranges = (header ?? "").split(",").map((part) => {
    const [range = "", ...parameters] = part.trim().toLowerCase().split(";");
    const weight = parameters.map((p) => /^\s*q=([\d.]+)$/.exec(p)?.[1]).find((q) =>
      q !== undefined
    );
    return { language: range.split("-")[0], weight: weight === undefined ? 1 : Number(weight) };
  });
  ranges.sort((a, b) => b.weight - a.weight);
  const known = ranges.find((r) => r.weight > 0 && ["es", "en", "pt"].includes(r.language ?? ""));
  return (known?.language as Language | undefined) ?? "es";
}

/** A refusal with a code of the catalogue; everything else that is thrown is rendered as INTERNAL. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly details: FieldError[] | undefined;
  /** Seconds after which another try makes sense; becomes `Retry-After`. */
  readonly retryAfter: number | undefined;

  constructor(
    code: ErrorCode,
    options: { details?: FieldError[]; retryAfter?: number; cause?: unknown } = {},
  ) {
    super(code, { cause: options.cause });
    this.name = "ApiError";
    this.code = code;
    this.details = options.details;
    this.retryAfter = options.retryAfter;
  }
}

/** An `INVALID_INPUT` about one field. */
export function invalidField(field: string, message: string): ApiError {
  return new ApiError("INVALID_INPUT", { details: [{ field, message }] });
}
