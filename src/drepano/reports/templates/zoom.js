// Zoom and move the pictures of fields by changing what part of them their frame shows.
for (const picture of document.querySelectorAll("svg.field")) {
  const frame = picture.viewBox.baseVal;
  const [width, height] = [frame.width, frame.height];
  const fingers = new Map();

  const inPicture = (x, y) => new DOMPoint(x, y).matrixTransform(picture.getScreenCTM().inverse());
  const show = (x, y, w) => {
    const h = (w * height) / width;
    frame.width = w;
    frame.height = h;
    frame.x = Math.min(Math.max(x, 0), width - w);
    frame.y = Math.min(Math.max(y, 0), height - h);
  };
  const zoom = (x, y, factor) => {
    const point = inPicture(x, y);
    const w = Math.min(Math.max(frame.width * factor, width / 20), width);
    const ratio = w / frame.width;
    show(point.x - (point.x - frame.x) * ratio, point.y - (point.y - frame.y) * ratio, w);
  };
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, distance: Math.hypot(a.x - b.x, a.y - b.y) };
  };

  picture.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.clientX, event.clientY, event.deltaY > 0 ? 1.2 : 1 / 1.2);
  }, { passive: false });
  picture.addEventListener("dblclick", () => show(0, 0, width));
  picture.addEventListener("pointerdown", (event) => fingers.set(event.pointerId, event));
  picture.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = fingers.size === 2 ? spread() : inPicture(fingers.get(event.pointerId).clientX, fingers.get(event.pointerId).clientY);
    fingers.set(event.pointerId, event);
    if (fingers.size === 2) {
      const now = spread();
      zoom(now.x, now.y, before.distance / Math.max(now.distance, 1));
    } else if (frame.width < width) {
      const now = inPicture(event.clientX, event.clientY);
      show(frame.x + before.x - now.x, frame.y + before.y - now.y, frame.width);
    }
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"])
    picture.addEventListener(end, (event) => fingers.delete(event.pointerId));
}
