/** Why a request failed, in words that can be shown. */
export class ApiError extends Error {
  /** The server's code, or `unreachable` when no answer came, or `bad_answer` when it made no sense. */
  readonly code: string;
  /** 0 when no answer came. */
  readonly status: number;
  /** The field that was refused. */
  readonly param: string | null;
  /** Seconds to wait before another try. */
  readonly retryAfter: number | null;
  readonly requestId: string | null;

  constructor(
    message: string,
    { code, status, param, retryAfter, requestId }: Partial<Omit<ApiError, keyof Error>> & { code: string },
  ) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.status = status ?? 0;
    this.param = param ?? null;
    this.retryAfter = retryAfter ?? null;
    this.requestId = requestId ?? null;
  }

  static unreachable(): ApiError {
    return new ApiError('The Flotilla server cannot be reached. Check that it is running, then try again.', {
      code: 'unreachable',
    });
  }

  static async fromResponse(response: Response): Promise<ApiError> {
    const retryAfter = Number(response.headers.get('retry-after'));
    const facts = { status: response.status, retryAfter: retryAfter > 0 ? retryAfter : null };
    const body: unknown = await response.json().catch(() => null);
    if (isErrorBody(body)) {
      const { code, message, param, request_id } = body.error;
      return new ApiError(message, { ...facts, code, param: param ?? null, requestId: request_id ?? null });
    }
    return new ApiError(
      `The server answered ${response.status}. Something between it and this page may be misconfigured.`,
      {
        ...facts,
        code: 'bad_answer',
      },
    );
  }
}

/** What to show for anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof ApiError
    ? error.message
    : 'Something went wrong in this page. Reload it and try again.';
}

interface ErrorBody {
  error: { code: string; message: string; param?: string | null; request_id?: string };
}

function isErrorBody(body: unknown): body is ErrorBody {
  if (typeof body !== 'object' || body === null || !('error' in body)) return false;
  const { error } = body;
  return (
    typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string'
  );
}
