import type { Language } from "../../_shared/errors.ts";

interface Text {
  subject: string;
  body: string;
}

/** Said of a picture, followed by its address. */
export const pictureTexts: Record<Language, Text> = {
  es: { subject: "Tu foto está lista", body: "Aquí está tu foto:" },
  en: { subject: "Your photo is ready", body: "Here is your photo:" },
  pt: { subject: "Sua foto está pronta", body: "Aqui está a sua foto:" },
};

/** Said of a photo that could not be made. */
export const failureTexts: Record<Language, Text> = {
  es: {
    subject: "Tu foto no salió",
    body: "No pudimos hacer tu foto y no se cobró nada. Vuelve a intentarlo con otra selfie.",
  },
  en: {
    subject: "Your photo did not work out",
    body: "We could not make your photo, and nothing was charged. Please try with another selfie.",
  },
  pt: {
    subject: "Sua foto não deu certo",
    body: "Não conseguimos fazer a sua foto e nada foi cobrado. Tente de novo com outra selfie.",
  },
};
