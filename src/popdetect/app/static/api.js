// Requests to the server. Each failure becomes an Error with a message for the person.

export class RequestError extends Error {}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new RequestError("The server does not answer. Is popdetect review still running? Saved answers are safe.");
  }
  if (response.ok || response.status === 409) return response;
  let why = "";
  try {
    const text = await response.text();
    why = text.startsWith("{") ? JSON.parse(text).error : text.replace(/^popdetect: /, "");
  } catch {
    // the status is enough
  }
  throw new RequestError(why || `The server refused (${response.status}).`);
}

export async function get(path) {
  return (await ask(path)).json();
}

// -> { stale, clip, item, progress }
export async function post(path, body) {
  const response = await ask(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { stale: response.status === 409, ...(await response.json()) };
}

export async function sound(id) {
  return (await ask(`/api/clips/${id}/sound`)).arrayBuffer();
}

export async function spectrogram(id) {
  const response = await ask(`/api/clips/${id}/spectrogram`);
  const about = JSON.parse(response.headers.get("x-spectrogram"));
  return { ...about, levels: new Uint8Array(await response.arrayBuffer()) };
}
