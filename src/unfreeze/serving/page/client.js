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

export async function askJson(path, options = {}) {
  const response = await ask(path, options);
  const body = await response.json().catch(() => ({}));
  if (body.error) throw new ServiceError(response.status, body.error.code, body.error.message);
  return body;
}

export async function askPicture(path, options = {}) {
  const response = await ask(path, options);
  if (response.ok) return response.blob();
  const body = await response.json().catch(() => ({}));
  const error = body.error ?? { code: "unknown", message: `The service answered with ${response.status}.` };
  throw new ServiceError(response.status, error.code, error.message);
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
