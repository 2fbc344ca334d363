/* Draws the figures and the events of the page. All data are in the page; nothing is fetched. */
(() => {
  "use strict";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const element = (id) => document.getElementById(id);
  const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"], toImageButtonOptions: { format: "svg" } };
  const INK = "#1a1a1a", FAINT = "#8c8c8c", GRID = "#e7e7ec", DECODED = "#e42536";
  const FONT = { family: "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif", size: 13, color: INK };

  const figures = read("figure-data");
  /* One after the other, with a pause between, so that the page can be read and scrolled meanwhile. */
  const pause = () => new Promise((resolve) => { setTimeout(resolve); });
  async function drawFigures() {
    for (const [name, { data, layout }] of Object.entries(figures)) {
      await pause();
      for (const trace of data) if (hidden.has(trace.legendgroup)) trace.visible = false;
      await Plotly.newPlot(name, data, layout, CONFIG);
    }
  }

  /* A level hidden in one strip is hidden in every figure that shows it, and in the other strips. */
  const hidden = new Set();
  function showLevel(level, visible) {
    if (visible) hidden.delete(level); else hidden.add(level);
    for (const button of document.querySelectorAll(".strip button")) {
      if (button.dataset.level === level) button.setAttribute("aria-pressed", String(visible));
    }
    for (const name of Object.keys(figures)) {
      const plot = element(name);
      const traces = (plot.data ?? []).flatMap((trace, i) => (trace.legendgroup === level ? [i] : []));
      if (traces.length) Plotly.restyle(plot, { visible }, traces);
    }
  }
  for (const button of document.querySelectorAll(".strip button")) {
    button.addEventListener("click", () => showLevel(button.dataset.level, button.getAttribute("aria-pressed") !== "true"));
  }

  const data = read("event-data");
  const ready = drawFigures().then(pause).then(() => (data ? showEvents(data) : undefined));

  /* Where the reader is, in the table of contents. */
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) links.forEach((link, id) => (id === entry.target.id ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  document.querySelectorAll("main > section").forEach((section) => seen.observe(section));

  /* On paper figures have the width of the paper: two columns of it, or all. The style sheet of paper does not hold yet at this event. */
  const PAPER = 700, GAP = 16, PANEL = 275;
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((details) => { details.open = true; });
    for (const plot of document.querySelectorAll(".plot")) {
      if (!plot.data) continue;
      const share = plot.closest(".wide") ? 1 : plot.closest(".beside") ? 0.6 : 0.5;
      const height = plot.closest(".grid") && share === 0.5 ? PANEL : plot.layout.height;
      plot.dataset.height = plot.layout.height;
      Plotly.relayout(plot, { width: Math.floor(PAPER * share - (share < 1 ? GAP / 2 : 0)), height });
    }
  });
  addEventListener("afterprint", () => {
    for (const plot of document.querySelectorAll(".plot")) if (plot.data) Plotly.relayout(plot, { width: null, height: Number(plot.dataset.height), autosize: true });
  });

  ready.then(() => { document.documentElement.dataset.ready = "true"; });

  function showEvents(data) {
    const perModule = data.cells.length;
    const levels = Object.keys(data.events[0].pictures).filter((name) => name !== "input");
    const layered = data.layers > 1;
    const spatial = layered && Boolean(document.createElement("canvas").getContext("webgl2") ?? document.createElement("canvas").getContext("webgl"));
    const state = { event: data.events.length - 1, level: levels[Math.min(1, levels.length - 1)], layer: 0, zoom: true };
    const numbers = (text, Kind) => new Kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
    for (const event of data.events) {
      for (const picture of Object.values(event.pictures)) {
        picture.cell = numbers(picture.cell, Uint32Array);
        picture.charge = numbers(picture.charge, Float32Array);
      }
    }
    const event = () => data.events[state.event];
    const sides = () => [event().pictures.input, event().pictures[state.level]];
    const place = (cell) => {
      const inLayer = cell % data.cells_per_layer;
      const module = data.modules[Math.floor(inLayer / perModule)];
      return { layer: Math.floor(cell / data.cells_per_layer), module, shape: inLayer % perModule };
    };
    const strongest = (picture) => picture.energy.indexOf(Math.max(...picture.energy));
    state.layer = strongest(event().pictures.input);

    /* Colours: the logarithm of a charge in the scale of the true ones, 0 to 1. */
    const share = (charge) => {
      const [low, high] = event().scale;
      return Math.min(1, Math.max(0, Math.log(charge / low) / Math.log(high / low)));
    };
    const colourBar = () => {
      const [low, high] = event().scale;
      const steps = Math.log10(high / low) < 2 ? [1, 2, 5] : [1];
      const ticks = [];
      for (let k = Math.floor(Math.log10(low)); k <= Math.log10(high); k++) for (const s of steps) ticks.push(s * 10 ** k);
      const within = ticks.filter((t) => t >= low * 0.999 && t <= high * 1.001);
      return {
        title: { text: `charge [${data.unit}]`, side: "right" }, thickness: 13, outlinewidth: 0.5, x: 1.01,
        tickvals: within.map((t) => share(t)), ticktext: within.map((t) => t.toLocaleString("en", { maximumSignificantDigits: 3 })),
      };
    };
    const scale = data.colours.map((colour, i) => [i / (data.colours.length - 1), colour]);
    const marker = (more) => ({ colorscale: scale, cmin: 0, cmax: 1, ...more });

    function outlines() {
      const x = [], y = [];
      for (const [cx, cy] of data.modules) {
        for (const [dx, dy] of [...data.outline, data.outline[0]]) { x.push(cx + dx); y.push(cy + dy); }
        x.push(null); y.push(null);
      }
      return { x, y };
    }
    const wafers = outlines();
    const span = (values) => [Math.min(...values.filter((v) => v !== null)), Math.max(...values.filter((v) => v !== null))];
    const whole = { x: span(wafers.x), y: span(wafers.y) };
    const view = () => {
      const window = state.zoom ? event().window : null;
      return window ? { x: [window[0][0], window[1][0]], y: [window[0][1], window[1][1]] } : whole;
    };

    /* One filled trace per colour, because a trace has one fill; and unseen markers at the centres, to point at. */
    function mapTraces(picture, side) {
      const axes = side ? { xaxis: "x2", yaxis: "y2" } : { xaxis: "x", yaxis: "y" };
      const fills = data.colours.map(() => ({ x: [], y: [] }));
      const points = { x: [], y: [], charge: [] };
      for (let i = 0; i < picture.cell.length; i++) {
        const { layer, module, shape } = place(picture.cell[i]);
        if (layer !== state.layer) continue;
        const fill = fills[Math.min(data.colours.length - 1, Math.floor(share(picture.charge[i]) * data.colours.length))];
        for (const [dx, dy] of data.cells[shape]) { fill.x.push(module[0] + dx); fill.y.push(module[1] + dy); }
        fill.x.push(null); fill.y.push(null);
        points.x.push(module[0] + data.cell_xy[shape][0]);
        points.y.push(module[1] + data.cell_xy[shape][1]);
        points.charge.push(picture.charge[i]);
      }
      const ground = { ...wafers, ...axes, mode: "lines", fill: "toself", fillcolor: data.empty, line: { color: "#9b9ba3", width: 0.7 }, hoverinfo: "skip" };
      const cells = fills.flatMap((fill, i) => (fill.x.length
        ? [{ ...fill, ...axes, mode: "lines", fill: "toself", fillcolor: data.colours[i], line: { color: "white", width: 0.5 }, hoverinfo: "skip" }] : []));
      const targets = {
        x: points.x, y: points.y, ...axes, mode: "markers", text: points.charge.map((q) => q.toPrecision(4)),
        marker: marker({ color: points.charge.map(share), opacity: 0, size: 9, showscale: !side, colorbar: side ? undefined : colourBar() }),
        hovertemplate: `%{text} ${data.unit}<br>x %{x:.1f} cm, y %{y:.1f} cm<extra>${side ? "decoded" : "input"}</extra>`,
      };
      return [ground, ...cells, targets];
    }
    const axis = (title, more) => ({ title: { text: title, standoff: 6 }, showgrid: false, zeroline: false, showline: true, mirror: true, linecolor: "#b9b9c2", ticks: "outside", ...more });
    const heading = (text, x) => ({ text, x, y: 1.01, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", showarrow: false, font: { size: 14, color: INK } });
    const energy = (value) => `${value.toPrecision(4)} ${data.energy_unit}`;

    function drawMap() {
      const [input, decoded] = sides();
      const { x, y } = view();
      const texts = [input, decoded].map((picture) => energy(picture.energy[state.layer]));
      const layout = {
        font: FONT, height: 500, margin: { l: 56, r: 20, t: 30, b: 46 }, showlegend: false, hovermode: "closest", plot_bgcolor: "white",
        uirevision: `${state.event} ${state.zoom}`,
        xaxis: axis("x [cm]", { domain: [0, 0.485], range: x, constrain: "domain" }),
        yaxis: axis("y [cm]", { range: y, scaleanchor: "x", constrain: "domain" }),
        xaxis2: axis("x [cm]", { domain: [0.515, 1], range: x, anchor: "y2", matches: "x", constrain: "domain" }),
        yaxis2: axis("", { range: y, anchor: "x2", matches: "y", showticklabels: false, constrain: "domain" }),
        annotations: [heading(`<b>input</b>  ${texts[0]}`, 0), heading(`<b>decoded from ${state.level}</b>  ${texts[1]}`, 0.515)],
      };
      element("event-map").setAttribute("aria-label", `Layer ${state.layer + 1}: input ${texts[0]}, decoded from ${state.level} ${texts[1]}`);
      return Plotly.react("event-map", [...mapTraces(input, 0), ...mapTraces(decoded, 1)], layout, CONFIG);
    }

    function drawProfile() {
      const [input, decoded] = sides();
      const layer = input.energy.map((_, i) => i + 1);
      const hover = (name) => `layer %{x}: %{y:.4g} ${data.energy_unit}<extra>${name}</extra>`;
      const bars = { type: "bar", x: layer, y: input.energy, name: "input", width: 1, hovertemplate: hover("input"),
        marker: { color: layer.map((n) => (n - 1 === state.layer ? "#8f8f99" : "#d5d5d9")), line: { color: "white", width: 0.5 } } };
      const points = { x: layer, y: decoded.energy, name: `decoded from ${state.level}`, mode: "markers", marker: { color: DECODED, size: 7 }, hovertemplate: hover("decoded") };
      const layout = {
        font: FONT, height: 300, margin: { l: 60, r: 10, t: 12, b: 46 }, plot_bgcolor: "white", legend: { x: 1, xanchor: "right", y: 1, bgcolor: "rgba(255,255,255,0.7)" },
        xaxis: axis("layer", { range: [0.4, data.layers + 0.6] }), yaxis: axis(`energy [${data.energy_unit}]`, { rangemode: "tozero", showgrid: true, gridcolor: GRID }),
      };
      return Plotly.react("event-profile", [bars, points], layout, CONFIG);
    }

    /* Depth runs along the first axis of the scene, so that the particle comes from the left. */
    function frame(layer, scene, colour, width) {
      const z = data.z_cm[layer];
      return { type: "scatter3d", scene, mode: "lines", x: wafers.x.map((v) => (v === null ? null : z)), y: wafers.x, z: wafers.y, line: { color: colour, width }, hoverinfo: "skip" };
    }
    function spaceTraces(picture, side) {
      const scene = side ? "scene2" : "scene";
      const places = Array.from(picture.cell, place);
      const at = (axis) => places.map(({ module, shape }) => module[axis] + data.cell_xy[shape][axis]);
      const shares = Array.from(picture.charge, share);
      const cells = {
        type: "scatter3d", scene, mode: "markers", x: places.map(({ layer }) => data.z_cm[layer]), y: at(0), z: at(1),
        text: places.map(({ layer }, i) => `layer ${layer + 1}: ${picture.charge[i].toPrecision(4)} ${data.unit}`), hovertemplate: `%{text}<extra>${side ? "decoded" : "input"}</extra>`,
        marker: marker({ color: shares, size: shares.map((s) => 2 + 9 * s * s), opacity: 0.9, line: { width: 0 }, showscale: Boolean(side), colorbar: side ? { ...colourBar(), len: 0.85 } : undefined }),
      };
      return [frame(0, scene, "#c9c9cf", 1), frame(data.layers - 1, scene, "#c9c9cf", 1), frame(state.layer, scene, "#5790fc", 2), cells];
    }
    function drawSpace() {
      const { x, y } = view();
      const [front, back] = [data.z_cm[0], data.z_cm[data.layers - 1]];
      const ticks = { gridcolor: GRID, backgroundcolor: "white", showspikes: false, zeroline: false };
      const scene = {
        xaxis: { title: { text: "z [cm]" }, range: [front - 2, back + 2], ...ticks }, yaxis: { title: { text: "x [cm]" }, range: x, ...ticks }, zaxis: { title: { text: "y [cm]" }, range: y, ...ticks },
        aspectmode: "manual", aspectratio: { x: 1.5, y: 1, z: 1 }, uirevision: "camera", camera: { eye: { x: -1.1, y: -2.15, z: 0.95 }, center: { x: 0, y: 0, z: -0.1 } },
      };
      const layout = {
        font: { ...FONT, size: 11 }, height: 540, margin: { l: 0, r: 10, t: 24, b: 0 }, showlegend: false, uirevision: "camera",
        scene: { ...scene, domain: { x: [0, 0.495], y: [0, 1] } }, scene2: { ...scene, domain: { x: [0.505, 1], y: [0, 1] } },
        annotations: [heading("<b>input</b>", 0), heading(`<b>decoded from ${state.level}</b>`, 0.515)],
      };
      const [input, decoded] = sides();
      return Plotly.react("event-space", [...spaceTraces(input, 0), ...spaceTraces(decoded, 1)], layout, CONFIG);
    }

    function writeFacts() {
      const [input, decoded] = sides();
      const count = (value) => value.toLocaleString("en");
      const rows = [
        ["energy", energy(input.total), energy(decoded.total)], ["decoded / input energy", "", (decoded.total / input.total).toFixed(4)],
        ["charged cells", count(input.cells), count(decoded.cells)],
        ["cells not shown", count(input.hidden), count(decoded.hidden)],
        [`charge [${data.unit}]`, count(Math.round(input.charge_sum)), count(Math.round(decoded.charge_sum))],
      ];
      const line = (tag, values) => {
        const row = document.createElement("tr");
        values.forEach((value, i) => { const cell = document.createElement(i && tag === "td" ? "td" : "th"); cell.textContent = value; row.append(cell); });
        return row;
      };
      const table = document.createElement("table");
      table.append(line("th", ["", "input", "decoded"]), ...rows.map((row) => line("td", row)));
      const truth = document.createElement("dl");
      truth.className = "pairs";
      for (const [name, value] of Object.entries(event().truth)) {
        const pair = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
        dt.textContent = name; dd.textContent = value; pair.append(dt, dd); truth.append(pair);
      }
      element("event-facts").replaceChildren(truth, table);
    }

    function writeLayer() {
      const depth = data.depth_x0 ? `, ${data.depth_x0[state.layer].toFixed(1)} X₀` : "";
      const text = `${state.layer + 1} of ${data.layers}${depth}`;
      element("layer").value = state.layer + 1;
      element("layer").setAttribute("aria-valuetext", text);
      element("layer-text").textContent = text;
      element("map-title").textContent = layered ? `Layer ${text}` : "Charges";
      element("event-state").textContent = `${event().label}, decoded from ${state.level}${layered ? `, layer ${text}` : ""}`;
    }

    /* The last request counts: a slider asks more often than a drawing takes. */
    let busy = false, again = null;
    async function draw(space) {
      writeLayer();
      writeFacts();
      if (busy) { again = again || space; return; }
      busy = true;
      document.documentElement.dataset.drawing = "true";
      do {
        const wanted = space || again;
        again = null;
        await drawMap();
        if (layered) await drawProfile();
        if (spatial && wanted) await drawSpace();
        space = false;
      } while (again !== null);
      busy = false;
      document.documentElement.dataset.drawing = "false";
    }

    function choices(id, names, chosen, act) {
      names.forEach((name, i) => {
        const label = document.createElement("label"), input = document.createElement("input"), text = document.createElement("span");
        Object.assign(input, { type: "radio", name: id, value: String(i), checked: i === chosen });
        text.textContent = name;
        label.append(input, text);
        input.addEventListener("change", () => act(i));
        element(id).append(label);
      });
    }
    choices("event-choice", data.events.map((e) => e.label), state.event, (i) => { state.event = i; state.layer = strongest(event().pictures.input); draw(true); });
    choices("level-choice", levels, levels.indexOf(state.level), (i) => { state.level = levels[i]; draw(true); });
    const slider = element("layer");
    slider.max = data.layers;
    const goTo = (layer) => { state.layer = layer; draw(false); };
    slider.addEventListener("input", () => goTo(Number(slider.value) - 1));
    slider.addEventListener("change", () => draw(true));
    element("zoom").addEventListener("change", () => { state.zoom = element("zoom").checked; draw(true); });
    if (!layered) for (const hidden of [element("layer-control"), element("space"), document.querySelector(".beside figure")]) hidden.hidden = true;
    if (layered && !spatial) element("event-space").outerHTML = "<p class='warning'>This browser draws nothing in space: it has no WebGL.</p>";

    return draw(true).then(() => {
      if (!layered) return;
      element("event-profile").on("plotly_click", (click) => { state.layer = click.points[0].x - 1; draw(true); });
      if (!spatial) return;
      const space = element("event-space");
      let turning = false;
      const follow = async (change) => {
        const moved = ["scene", "scene2"].find((name) => change[`${name}.camera`]);
        if (!moved || turning) return;
        turning = true;
        await Plotly.relayout(space, { [`${moved === "scene" ? "scene2" : "scene"}.camera`]: change[`${moved}.camera`] });
        turning = false;
      };
      space.on("plotly_relayout", follow);
      space.on("plotly_relayouting", follow);
    });
  }
})();
