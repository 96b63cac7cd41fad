// Talks to the service: the token, errors in one form, and no more than a few requests at a time.

const KEY = "unfreeze-token";

export class ServiceError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function keepToken(token) {
  sessionStorage.setItem(KEY, token);
}

export async function ask(path, options = {}) {
  const token = sessionStorage.getItem(KEY);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new ServiceError(0, "unreachable", "The service cannot be reached. Is it still running?");
  }
  return response;
}

const TELLING_OF_EACH = [413, 422]; // these may tell of each picture instead of the request

export async function askJson(path, options = {}) {
  const response = await ask(path, options);
  const body = await response.json().catch(() => null);
  if (body?.error || body === null || !(response.ok || TELLING_OF_EACH.includes(response.status))) throw errorOf(response, body);
  return body;
}

export async function askPicture(path, options = {}) {
  const response = await ask(path, options);
  if (response.ok) return response.blob();
  throw errorOf(response, await response.json().catch(() => null));
}

// What a service says of an error; a proxy before it, or the server below it, says it in another form.
function errorOf(response, body) {
  const { status, statusText } = response;
  const next = status === 413 ? "What was sent is too large for it." : "Try again in a moment.";
  const unknown = { code: "unknown", message: `The service, or what stands before it, answered with ${status}${statusText ? ` (${statusText})` : ""}. ${next}` };
  const { code, message } = body?.error ?? unknown;
  return new ServiceError(status, code, message);
}

export function form(field, file, texts = {}) {
  const body = new FormData();
  for (const [name, text] of Object.entries(texts)) body.append(name, text);
  body.append(field, file, file.name || "picture.png");
  return { method: "POST", body };
}

// Runs at most `most` of the works that are handed to it at a time, in their order.
export function queue(most) {
  const waiting = [];
  let running = 0;
  const next = () => {
    if (running >= most || waiting.length === 0) return;
    running += 1;
    const { work, resolve, reject } = waiting.shift();
    work().then(resolve, reject).finally(() => { running -= 1; next(); });
  };
  return (work) => new Promise((resolve, reject) => { waiting.push({ work, resolve, reject }); next(); });
}
