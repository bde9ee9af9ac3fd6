// Classifies photos with an exported file, as `keras-lightnets predict` does.
import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import { resize, roundHalfToEven } from "./resize.js";

const SHOWN = 5;
const $ = (id) => document.getElementById(id);
const say = (text) => { $("status").textContent = text; };
let file, network, photo, stream;

/** Returns the central square of a bitmap or video frame, scaled as Python does: RGB, size x size, 0-255. */
function look(image, width, height) {
  const side = Math.max(roundHalfToEven(Math.fround(Math.fround(file.crop) * Math.min(width, height))), 1);
  const canvas = new OffscreenCanvas(side, side), context = canvas.getContext("2d", { willReadFrequently: true });
  // Transparent pixels are laid on white.
  context.fillStyle = "white";
  context.fillRect(0, 0, side, side);
  context.drawImage(image, -Math.floor((width - side) / 2), -Math.floor((height - side) / 2));
  return resize(context.getImageData(0, 0, side, side).data, side, file.size);
}

function show(pixels) {
  const canvas = $("seen"), rgba = new Uint8ClampedArray(file.size ** 2 * 4).fill(255);
  pixels.forEach((value, i) => { rgba[Math.floor(i / 3) * 4 + (i % 3)] = value; });
  canvas.width = canvas.height = file.size;
  canvas.getContext("2d").putImageData(new ImageData(rgba, file.size), 0, 0);
  canvas.hidden = false;
  $("hint").textContent = "What the network sees. Drop or choose another photo.";
}

/** Runs the network on RGB pixels 0-255; returns the scores and the milliseconds. */
async function run(pixels) {
  const { mean, std, ends: [input, output] } = file;
  const values = pixels.map((value, i) => Math.fround(value - Math.fround(mean[i % 3])) / Math.fround(std[i % 3]));
  const step = (x) => Math.min(Math.max(roundHalfToEven(Math.fround(x / input.scale)) + input.zero, 0), 255);
  const tensor = new Tensor(input.scale ? Uint8Array.from(values, step) : values, [1, file.size, file.size, 3]);
  const start = performance.now();
  const [result] = await network.run(tensor);
  const scores = Array.from(await result.data(), (x) => (output.scale ? (x - output.zero) * output.scale : x));
  const milliseconds = performance.now() - start;
  [tensor, result].forEach((each) => each.delete());
  return { scores, milliseconds };
}

async function classify(image, width, height) {
  const pixels = look(image, width, height);
  const { scores, milliseconds } = await run(pixels);
  show(pixels);
  const order = scores.map((_, i) => i).sort((a, b) => scores[b] - scores[a]).slice(0, SHOWN);
  $("classes").replaceChildren(...order.map((i) => {
    const row = document.createElement("li"), score = document.createElement("data"), bar = document.createElement("i");
    score.value = scores[i];
    score.textContent = `${(100 * scores[i]).toFixed(1)} %`;
    bar.style.setProperty("--share", `${100 * scores[i]}% 100%`);
    row.append(Object.assign(document.createElement("span"), { textContent: file.labels[i] }), score, bar);
    return row;
  }));
  say(`${milliseconds.toFixed(1)} ms on this device, ${file.name}`);
}

async function take(chosen) {
  if (!chosen) return;
  stop();
  try {
    // As the file has them: Python applies no colour profile either.
    photo = await createImageBitmap(chosen, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    say(`${chosen.name} is not an image that this browser can read.`);
    return;
  }
  await classify(photo, photo.width, photo.height);
}

async function film() {
  const video = $("video");
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    say(`The camera cannot be used: ${error.message}.`);
    return;
  }
  photo = undefined;
  video.srcObject = stream;
  await video.play();
  $("camera").textContent = "Stop the camera";
  $("camera").ariaPressed = "true";
  while (stream) {
    await classify(video, video.videoWidth, video.videoHeight);
    await new Promise(requestAnimationFrame);
  }
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  $("camera").textContent = "Use the camera";
  $("camera").ariaPressed = "false";
}

async function open(chosen) {
  say("Loading ...");
  const opened = await loadAndCompile(chosen.name, { accelerator: "wasm" });
  [file, network] = [chosen, opened];
  // The first run is slower than all others.
  await run(new Float32Array(file.size ** 2 * 3));
  if (photo) await classify(photo, photo.width, photo.height);
  else say(`${file.name} is ready: ${file.labels.length} classes, ${file.size}x${file.size} pixels.`);
}

const report = (work) => (...given) => work(...given).catch((error) => say(`This did not work: ${error.message}`));
const files = await (await fetch("files.json")).json();
$("files").append(...files.map((each) => new Option(each.name)));
$("files").addEventListener("change", report(() => open(files[$("files").selectedIndex])));
$("photo").addEventListener("change", report(() => take($("photo").files[0])));
$("camera").addEventListener("click", report(async () => (stream ? stop() : film())));
document.addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
document.addEventListener("drop", report(async (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  await take(event.dataTransfer.files[0]);
}));
await report(async () => {
  await loadLiteRt(new URL("litertjs/core/wasm/", location.href).href);
  await open(files[0]);
})();
