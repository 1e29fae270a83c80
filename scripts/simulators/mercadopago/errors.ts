/** A call that the gateway refuses; becomes its error body. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /**
   * @param status of HTTP, repeated in the body.
   * @param error the short code.
   * @param codes of the cause, where the vendor documents one.
   */
  constructor(
    readonly status: number,
    readonly error: string,
    message: string,
    readonly codes: number[] = [],
  ) {
    super(message);
  }

  /** The error as the gateway sends it. */
  toResponse(): Response {
    const { status, error, message } = this;
    const cause = this.codes.map((code) => ({ code, description: message, data: null }));
    return Response.json({ message, error, status, cause }, { status });
  }
}

/** 404 for a payment id that is not known, or not yet. */
export function paymentNotFound(): ApiError {
  return new ApiError(404, "not_found", "Payment not found", [2000]);
}
