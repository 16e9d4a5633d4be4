/** Where everything in the script is deployed. */
export const NAMESPACE = 'llm-as-a-service';
/** In milliseconds, as all moments are. */
export const MINUTE = 60_000;
