// Series over time: requests and errors per second, durations; with a mark for each apply and proof.

const SPAN_SECONDS = 180;
const GAP_SECONDS = 3;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A chart of some columns of points ([time, ...values]); `marks()` gives the moments to draw. */
export class Series {
  constructor(element, label, lines, unit, marks) {
    this.element = element;
    this.lines = lines;
    this.unit = unit;
    this.marks = marks;
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", label);
    this.now = Date.now() / 1000;
    this.make();
    this.observer = new ResizeObserver(() => this.plot.setSize({ width: element.clientWidth || 300, height: 118 }));
    this.observer.observe(element);
  }

  make() {
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px Helvetica Neue, Segoe UI, Liberation Sans, Arial, sans-serif" };
    const options = {
      width: this.element.clientWidth || 300,
      height: 118,
      padding: [14, 22, 0, 0],
      cursor: { y: false, points: { show: false } },
      legend: { show: false },
      scales: { x: { time: true, range: () => [this.now - SPAN_SECONDS, this.now] }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.12 : 1] } },
      axes: [
        { ...axis, size: 22, space: 70, values: (_, times) => times.map((t) => new Date(t * 1000).toLocaleTimeString([], { hour12: false })) },
        { ...axis, size: 46, space: 24, values: (_, values) => values.map(this.unit) },
      ],
      series: [{}, ...this.lines.map(([name, stroke, dash]) => ({ label: name, stroke: colour(stroke), width: 2, dash, points: { show: false }, spanGaps: false }))],
      hooks: { draw: [(plot) => this.drawMarks(plot)] },
    };
    this.plot = new uPlot(options, [[], ...this.lines.map(() => [])], this.element);
  }

  /** Show points whose values are those of the lines. */
  show(points) {
    const now = Date.now() / 1000;
    const rows = [];
    for (const point of points) {
      const last = rows[rows.length - 1];
      if (last && point[0] - last[0] > GAP_SECONDS) rows.push([last[0] + 1, ...this.lines.map(() => null)]);
      rows.push(point);
    }
    const columns = [0, ...this.lines.map(([, , , column], i) => column ?? i + 1)];
    this.now = now;
    this.plot.setData(columns.map((column) => rows.map((row) => row[column] ?? null)));
  }

  drawMarks(plot) {
    const { ctx } = plot, { left, top, width, height } = plot.bbox;
    ctx.save();
    for (const mark of this.marks()) {
      const at = plot.valToPos(mark.time, "x", true);
      if (at < left || at > left + width) continue;
      if (mark.seconds) {
        const from = Math.max(left, plot.valToPos(mark.time - mark.seconds, "x", true));
        ctx.fillStyle = colour("--shade");
        ctx.fillRect(from, top, at - from, height);
      } else {
        ctx.strokeStyle = colour("--ink");
        ctx.lineWidth = devicePixelRatio;
        ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
        ctx.beginPath();
        ctx.moveTo(at, top);
        ctx.lineTo(at, top + height);
        ctx.stroke();
      }
      ctx.fillStyle = colour("--ink");
      ctx.font = `${11 * devicePixelRatio}px Helvetica Neue, Segoe UI, Liberation Sans, Arial, sans-serif`;
      ctx.textAlign = "center";
      ctx.fillText(mark.label, at, top - 3 * devicePixelRatio);
    }
    ctx.restore();
  }

  destroy() {
    this.observer.disconnect();
    this.plot.destroy();
  }
}
