import { HTTPException } from "hono/http-exception";
import postgres from "postgres";

/**
 * A refusal in the words of the hosted storage service. Its clients read three places: the HTTP
 * status (400 for nearly every refusal), `statusCode` in the body (the status meant) and `code`.
 */
export class StorageError extends Error {
  /**
   * @param status what the refusal means, e.g. 404; goes into the body's `statusCode`
   * @param code stable name from the hosted service, e.g. `NoSuchKey`
   * @param label the body's older `error` field, where it differs from the code
   */
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly label: string = code,
  ) {
    super(message);
    this.name = "StorageError";
  }
}

/** The bucket does not exist, or the caller may not know that it does. */
export const noSuchBucket = (): StorageError =>
  new StorageError(404, "NoSuchBucket", "Bucket not found", "Bucket not found");

/** The object does not exist, or the caller may not see it. */
export const noSuchKey = (): StorageError =>
  new StorageError(404, "NoSuchKey", "Object not found", "not_found");

/** The request itself is wrong; the message names what, which value and the way out. */
export const invalidRequest = (message: string): StorageError =>
  new StorageError(400, "InvalidRequest", message);

/** More bytes than the bucket or the service takes. */
export const entityTooLarge = (entity = "object"): StorageError =>
  new StorageError(
    413,
    "EntityTooLarge",
    `The ${entity} exceeded the maximum allowed size`,
    "Payload too large",
  );

/** The bucket does not take this content type, or it is none. */
export const invalidMimeType = (mimeType: string): StorageError =>
  new StorageError(
    415,
    "InvalidMimeType",
    `mime type ${mimeType} is not supported`,
    "invalid_mime_type",
  );

/** Something the hosted service offers and the local stack does not. */
export const notImplemented = (feature: string): StorageError =>
  new StorageError(501, "NotSupported", `The local storage has no ${feature}`);

/** True when PostgreSQL or a check said no, so the transaction is known to be rolled back. */
export function isRefusal(cause: unknown): boolean {
  return cause instanceof StorageError || cause instanceof postgres.PostgresError;
}

/** The JSON answer for anything thrown while a request was served. Unknown causes are logged. */
export function errorResponse(cause: unknown): Response {
  if (cause instanceof HTTPException) return cause.getResponse();
  const refusal = cause instanceof postgres.PostgresError ? fromDatabase(cause) : cause;
  if (!(refusal instanceof StorageError)) {
    console.error("storage:", cause);
    return errorResponse(new StorageError(500, "InternalError", "Internal Server Error"));
  }
  return Response.json({
    statusCode: String(refusal.status),
    code: refusal.code,
    error: refusal.label,
    message: refusal.message,
  }, {
    status: refusal.status >= 500 ? refusal.status : 400,
    headers: { "cache-control": "no-store" },
  });
}

/** SQLSTATEs as the hosted service translates them; the rest keeps the database's own message. */
function fromDatabase(error: postgres.PostgresError): StorageError {
  switch (error.code) {
    case "42501":
      return new StorageError(
        403,
        "AccessDenied",
        error.message.includes("row-level security")
          ? "new row violates row-level security policy"
          : error.message,
        "Unauthorized",
      );
    case "23505":
      return new StorageError(
        409,
        "ResourceAlreadyExists",
        "The resource already exists",
        "Duplicate",
      );
    case "23503":
      if (error.detail?.includes("still referenced")) {
        const message = "The bucket you tried to delete is not empty";
        return new StorageError(409, "ResourceNotEmpty", message);
      }
      return new StorageError(404, "InvalidRequest", "The related resource does not exist");
    default:
      console.error("storage:", error);
      return new StorageError(
        500,
        "DatabaseError",
        `database error ${error.code}: ${error.message}`,
      );
  }
}
