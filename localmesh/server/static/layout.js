// Where nodes, edges and their labels lie: laid out by dagre, with room for every label.

export const NODE = { gateway: [196, 56], workload: [150, 56], clients: [84, 36], external: [196, 56], missing: [150, 56] };
export const LABEL_WIDTH = 196;
const LABEL_OFFSET = 9;
export const LINE = 17;
export const GAUGE = 38;
const MARGIN = 18;
const ROW_WIDTH = 740;
export const MANY_NODES = 40; // from here on, edges have their labels only when they are selected

/** How many lines of text an edge can need, by what is configured: its place must not depend on traffic. */
export function lines(edge) {
  return 2 + (edge.mirror ? 1 : 0) + edge.faults.length + (edge.limits ? 1 : 0) + (edge.ejects ? 1 : 0);
}

/** The height of the label of an edge. */
export const labelHeight = (edge) => lines(edge) * LINE + (edge.expected ? GAUGE : 0) + 8;

/** Places for nodes and edges, and the size of it all; `direction` is TB (from top to bottom) or LR. */
export function layout(graph, direction) {
  const many = graph.nodes.length > MANY_NODES;
  const made = new dagre.graphlib.Graph();
  made.setGraph({ rankdir: direction, nodesep: many ? 14 : 24, ranksep: many ? 50 : 52, edgesep: many ? 6 : 16, marginx: MARGIN, marginy: MARGIN });
  const connected = new Set(graph.edges.flatMap((edge) => (edge.source === edge.target ? [] : [edge.source, edge.target])));
  // dagre breaks ties from right to left
  for (const node of [...graph.nodes].reverse()) {
    const [width, height] = NODE[node.kind];
    if (connected.has(node.id)) made.setNode(node.id, { width, height });
  }
  for (const edge of [...graph.edges].sort((a, b) => (a.target < b.target ? 1 : -1))) {
    if (edge.source === edge.target || !made.hasNode(edge.source) || !made.hasNode(edge.target)) continue;
    made.setEdge(edge.source, edge.target, many ? { width: 0, height: 0 } : labelSize(edge, direction));
  }
  dagre.layout(made);
  const alone = graph.nodes.filter((node) => !connected.has(node.id));
  const size = { width: made.graph().width, height: made.graph().height };
  if (alone.length) addBelow(made, alone, size);
  return { direction, graph: () => size, node: (id) => made.node(id), edge: (source, target) => made.edge(source, target) };
}

/** The room for a label: right of its line in a graph from top to bottom, else below it. */
function labelSize(edge, direction) {
  const height = labelHeight(edge);
  if (direction === "TB") return { width: LABEL_WIDTH, height, labelpos: "r", labeloffset: LABEL_OFFSET };
  return { width: LABEL_WIDTH, height: height + 2 * LABEL_OFFSET, labelpos: "c" };
}

/** Nodes without edges: in rows below the others. */
function addBelow(made, nodes, size) {
  const [left, top] = [MARGIN, Number.isFinite(size.height) ? size.height : MARGIN];
  const widest = Math.max(Number.isFinite(size.width) ? size.width : 0, ROW_WIDTH);
  let [x, y] = [left, top];
  for (const node of nodes) {
    const [width, height] = NODE[node.kind];
    if (x > left && x + width > widest - MARGIN) [x, y] = [left, y + height + 18];
    made.setNode(node.id, { x: x + width / 2, y: y + height / 2, width, height });
    x += width + 24;
    size.width = Math.max(Number.isFinite(size.width) ? size.width : 0, x - 24 + MARGIN);
    size.height = y + height + MARGIN;
  }
}

/** The path of an edge: straight beside its label, and curved between ranks. */
export function pathOf(place, direction, height) {
  const down = direction === "TB";
  const [first, ...rest] = place.points;
  const last = rest.pop();
  const stops = rest.map((point) => [point, point]);
  if (height) {
    const line = down ? place.x - LABEL_WIDTH / 2 - LABEL_OFFSET : place.y - height / 2 - 2;
    const ends = down
      ? [{ x: line, y: place.y - height / 2 }, { x: line, y: place.y + height / 2 }]
      : [{ x: place.x - LABEL_WIDTH / 2, y: line }, { x: place.x + LABEL_WIDTH / 2, y: line }];
    const nearest = stops.reduce((best, [point], i) => (distance(point, place, down) < distance(stops[best][0], place, down) ? i : best), 0);
    stops.splice(nearest, stops.length ? 1 : 0, ends);
  }
  let path = `M${first.x} ${first.y}`, from = first;
  for (const [start, end] of [...stops, [last, last]]) {
    const [mx, my] = [(from.x + start.x) / 2, (from.y + start.y) / 2];
    path += down ? `C${from.x} ${my} ${start.x} ${my} ${start.x} ${start.y}` : `C${mx} ${from.y} ${mx} ${start.y} ${start.x} ${start.y}`;
    if (end !== start) path += `L${end.x} ${end.y}`;
    from = end;
  }
  return path;
}

const distance = (point, place, down) => Math.abs(down ? point.y - place.y : point.x - place.x);
