// The camera: one stream for all, shown where it is used; a recording is a row of frames of the same moment.

import { at } from "./parts.js";

const FRAME_MS = 200;
const LONGEST_SIDE = 640;
const QUALITY = 0.92;

export function setUpCamera() {
  let stream = null; // promised: who asks while the browser asks for leave waits for the same one
  let user = null; // who has the camera now
  let timer = null;
  let shots = Promise.resolve(); // all frames that have been taken
  const video = at("video");

  // Gives the camera to someone; false if someone else has taken it before it was there.
  async function open(next) {
    if (!navigator.mediaDevices?.getUserMedia) // not given to pages that come over plain HTTP from elsewhere
      throw new Error("The browser gives the camera only to pages on this machine, or over HTTPS. Add pictures instead: a phone offers its camera there.");
    stream ??= navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
    let found;
    try {
      found = await stream;
    } catch (error) {
      stream = null;
      throw new Error(error.name === "NotFoundError" ? "No camera was found." : "The camera cannot be used: the browser does not allow it.");
    }
    if (user && user !== next) {
      stopRecording();
      user.lost();
    }
    user = next;
    if (video.srcObject !== found) video.srcObject = found;
    await video.play().catch(() => {}); // it was moved meanwhile: `showIn` plays on
    return user === next;
  }

  function close(who) {
    if (user !== who) return;
    stopRecording();
    user = null;
    stream?.then((found) => { for (const track of found.getTracks()) track.stop(); });
    stream = null;
    video.srcObject = null;
  }

  // Puts the picture into a place of the page; a video that is moved stands still until it is told to go on.
  function showIn(place, insert = (element) => place.prepend(element)) {
    insert(video);
    if (video.srcObject) video.play().catch(() => {});
  }

  function frame() {
    if (!video.videoWidth) return Promise.resolve(null);
    const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => { canvas.toBlob((blob) => resolve(blob && new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", QUALITY); });
  }

  function startRecording(take) {
    if (timer !== null) return;
    const id = [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const shoot = () => { shots = Promise.all([shots, frame().then((file) => { if (file) take(file, id); })]); };
    shoot();
    timer = setInterval(shoot, FRAME_MS);
  }

  // Resolves when the last frame was handed on.
  function stopRecording() {
    clearInterval(timer);
    timer = null;
    return shots;
  }

  addEventListener("pagehide", () => { if (user) close(user); });
  return { open, close, frame, showIn, startRecording, stopRecording };
}

// Lets a button record while it is held, by pointer or by key, and from click to click where something else presses it: a
// screen reader, a voice. `begin` returns `take`, which is given each frame and the recording's name, and `end`.
export function holdToRecord(button, camera, begin) {
  let isOn = false;
  let end = null; // follows the last frame
  const show = () => { button.classList.toggle("on", isOn); button.setAttribute("aria-pressed", String(isOn)); };
  const start = () => {
    if (isOn) return;
    isOn = true;
    show();
    const recording = begin();
    end = recording.end;
    camera.startRecording(recording.take);
  };
  const stop = () => {
    if (!isOn) return;
    isOn = false;
    show();
    camera.stopRecording().then(end);
  };
  button.addEventListener("pointerdown", (event) => { button.setPointerCapture(event.pointerId); start(); });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) button.addEventListener(kind, stop);
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  button.addEventListener("keydown", (event) => {
    if (![" ", "Enter"].includes(event.key)) return;
    event.preventDefault();
    if (!event.repeat) start();
  });
  button.addEventListener("keyup", (event) => { if ([" ", "Enter"].includes(event.key)) { event.preventDefault(); stop(); } });
  button.addEventListener("click", (event) => { if (event.detail === 0) (isOn ? stop : start)(); });
  return stop;
}
