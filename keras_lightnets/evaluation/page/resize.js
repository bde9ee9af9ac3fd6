// tf.image.resize(antialias=True) and tf.round, step by step in float32: browsers scale images in other ways.
const f = Math.fround;

/** Returns, for each of `to` outputs, the first of the `from` inputs that it sees, and their weights. */
function spans(from, to) {
  const step = f(1 / f(to / from)), reach = Math.max(step, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = f((i + 0.5) * step);
    const clamp = (at) => Math.min(Math.max(at, 0), from - 1);
    const start = clamp(Math.ceil(f(f(centre - reach) - 0.5)));
    const end = clamp(Math.floor(f(f(centre + reach) - 0.5)));
    const weights = new Float32Array(end - start + 1);
    let sum = 0;
    for (let at = start; at <= end; at++) {
      weights[at - start] = Math.max(0, f(1 - f(Math.abs(f(f(at + 0.5 - centre) / reach)))));
      sum = f(sum + weights[at - start]);
    }
    return { start, weights: weights.map((weight) => f(weight * f(1 / sum))) };
  });
}

export function roundHalfToEven(x) {
  const floor = Math.floor(x);
  return x - floor === 0.5 ? floor + Math.abs(floor % 2) : Math.round(x);
}

/** Scales a square of RGBA pixels, side x side, to whole RGB pixels 0-255, size x size. */
export function resize(rgba, side, size) {
  const span = spans(side, size), rows = new Float32Array(size * side * 3), result = new Float32Array(size * size * 3);
  span.forEach(({ start, weights }, y) => weights.forEach((weight, k) => {
    for (let x = 0, from = (start + k) * side * 4, to = y * side * 3; x < side; x++, from += 4, to += 3) {
      for (let c = 0; c < 3; c++) rows[to + c] += f(rgba[from + c] * weight);
    }
  }));
  for (let y = 0; y < size; y++) {
    span.forEach(({ start, weights }, x) => {
      const to = (y * size + x) * 3;
      weights.forEach((weight, k) => {
        for (let c = 0; c < 3; c++) result[to + c] += f(rows[(y * side + start + k) * 3 + c] * weight);
      });
    });
  }
  return result.map(roundHalfToEven);
}
