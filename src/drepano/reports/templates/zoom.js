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
    picture.style.touchAction = w < width ? "none" : "pan-y"; // a whole picture lets fingers scroll the page
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

  picture.style.touchAction = "pan-y";
  picture.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // it scrolls the page
    event.preventDefault();
    zoom(event.clientX, event.clientY, event.deltaY > 0 ? 1.2 : 1 / 1.2);
  }, { passive: false });
  picture.addEventListener("dblclick", () => show(0, 0, width));
  picture.addEventListener("keydown", (event) => {
    const middle = picture.getBoundingClientRect();
    const zoomAtMiddle = (factor) => zoom(middle.x + middle.width / 2, middle.y + middle.height / 2, factor);
    const move = (x, y) => show(frame.x + x * frame.width, frame.y + y * frame.height, frame.width);
    const keys = {
      "+": () => zoomAtMiddle(1 / 1.2), "=": () => zoomAtMiddle(1 / 1.2), "-": () => zoomAtMiddle(1.2), 0: () => show(0, 0, width),
      ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0), ArrowUp: () => move(0, -0.1), ArrowDown: () => move(0, 0.1),
    };
    const scrolls = event.key.startsWith("Arrow") && frame.width === width;
    if (!keys[event.key] || scrolls || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
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
