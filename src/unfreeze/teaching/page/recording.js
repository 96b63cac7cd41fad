// The camera: one stream for all, shown where it is used; a recording is a row of frames of the same moment.

import { at } from "./parts.js";

const FRAME_MS = 200;
const LONGEST_SIDE = 640;
const QUALITY = 0.92;

export const frameName = () => "camera.jpg";

export function setUpCamera() {
  let stream = null;
  let user = null; // who has the camera now
  let timer = null;
  const video = at("video");

  async function open(next) {
    if (!navigator.mediaDevices?.getUserMedia) // not given to pages that come over plain HTTP from elsewhere
      throw new Error("The browser gives the camera only to pages on this machine, or over HTTPS. Add pictures instead: a phone offers its camera there.");
    try {
      stream ??= await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
    } catch (error) {
      throw new Error(error.name === "NotFoundError" ? "No camera was found." : "The camera cannot be used: the browser does not allow it.");
    }
    if (user && user !== next) {
      stopRecording();
      user.lost();
    }
    user = next;
    video.srcObject = stream;
    await video.play();
  }

  function close(who) {
    if (user !== who) return;
    stopRecording();
    user = null;
    for (const track of stream?.getTracks() ?? []) track.stop();
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
    return new Promise((resolve) => { canvas.toBlob((blob) => resolve(blob && new File([blob], frameName(), { type: "image/jpeg" })), "image/jpeg", QUALITY); });
  }

  function startRecording(take) {
    if (timer !== null) return;
    const id = [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const shoot = async () => { const file = await frame(); if (file) take(file, id); };
    shoot();
    timer = setInterval(shoot, FRAME_MS);
  }

  function stopRecording() {
    clearInterval(timer);
    timer = null;
  }

  addEventListener("pagehide", () => { if (user) close(user); });
  return { open, close, frame, showIn, startRecording, stopRecording };
}

// Lets a button record while it is held, by pointer or by key; `take` is given each frame and the recording's name.
export function holdToRecord(button, camera, take) {
  const start = () => { button.classList.add("on"); button.textContent = "Recording …"; camera.startRecording(take()); };
  const stop = () => { button.classList.remove("on"); button.textContent = "Hold to record"; camera.stopRecording(); };
  button.addEventListener("pointerdown", (event) => { button.setPointerCapture(event.pointerId); start(); });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) button.addEventListener(kind, stop);
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  button.addEventListener("keydown", (event) => {
    if (![" ", "Enter"].includes(event.key)) return;
    event.preventDefault();
    if (!event.repeat) start();
  });
  button.addEventListener("keyup", (event) => { if ([" ", "Enter"].includes(event.key)) { event.preventDefault(); stop(); } });
  return stop;
}
