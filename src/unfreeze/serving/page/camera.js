// The camera: live where the browser lets a page have it, else the phone's own camera behind a file input.

export function setUpCamera({ open, panel, video, shoot, close, capture, onPicture, onProblem }) {
  let stream = null;
  let isAsking = false; // the browser asks whether the page may

  const stop = () => {
    if (stream) for (const track of stream.getTracks()) track.stop();
    stream = null;
    video.srcObject = null;
    panel.hidden = true;
  };

  open.addEventListener("click", async () => {
    if (!navigator.mediaDevices?.getUserMedia) { // not given to pages that come over plain HTTP from elsewhere
      capture.click();
      return;
    }
    if (isAsking) return;
    isAsking = true;
    stop();
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
    } catch (error) {
      onProblem(error.name === "NotFoundError" ? "No camera was found." : "The camera cannot be used: the browser does not allow it.");
      return;
    } finally {
      isAsking = false;
    }
    video.srcObject = stream;
    panel.hidden = false;
    shoot.disabled = true; // until there is something to see
    try {
      await video.play();
    } catch {
      return; // closed, or opened again, meanwhile
    }
    shoot.disabled = false;
    shoot.focus();
  });

  shoot.addEventListener("click", () => {
    if (!video.videoWidth) return;
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => onPicture(new File([blob], "camera.png", { type: "image/png" })), "image/png");
  });

  close.addEventListener("click", () => { stop(); open.focus(); });
  capture.addEventListener("change", () => {
    for (const file of capture.files) onPicture(file);
    capture.value = "";
  });
  addEventListener("pagehide", stop);
}
