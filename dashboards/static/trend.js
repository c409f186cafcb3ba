// The trend of a topic as an interactive chart: share with its band above, posts below, lines where incidents began.
// plotly.js is loaded with `defer` and may be missing: then the chart that the server drew stays.

const place = document.getElementById("trend");
const HEIGHT = 340;
const DAY = 86_400_000;

function colours() {
  const style = getComputedStyle(document.documentElement);
  const take = (name) => style.getPropertyValue(name).trim();
  return { ink: take("--ink"), faint: take("--faint"), line: take("--line"), accent: take("--accent"), band: take("--band"), bars: take("--bars"), warm: take("--warm"), paper: take("--paper") };
}

// Times are numbers of ms, which plotly shows in UTC; Date objects it would show in the zone of the browser.
function traces(data, c) {
  const x = data.start.map((at) => at + data.every / 2);
  const percent = (values) => values.map((value) => (value === null ? null : value * 100));
  const low = percent(data.low);
  const high = percent(data.high);
  const common = { x, hoverinfo: "skip", type: "scatter", mode: "lines", line: { width: 0 }, showlegend: false };
  const share = percent(data.negative);
  const alone = share.map((value, i) => value !== null && (share[i - 1] ?? null) === null && (share[i + 1] ?? null) === null);
  return [
    ...bands(x, low, high, c, common),
    {
      x, y: share, type: "scatter", mode: "lines+markers", line: { color: c.accent, width: 2 },
      marker: { color: c.accent, size: alone.map((one) => (one ? 6 : 0.1)) }, connectgaps: false,
      customdata: low.map((value, i) => [value, high[i], data.volume[i]]),
      hovertemplate: "<b>%{y:.0f} %</b> negative<br>95 % band %{customdata[0]:.0f}–%{customdata[1]:.0f} %<br>%{customdata[2]:,.0f} posts<extra></extra>",
      showlegend: false,
    },
    { x, y: data.volume, type: "bar", yaxis: "y2", marker: { color: c.bars, line: { width: 0 } }, width: data.every * 0.76, hoverinfo: "skip", showlegend: false },
  ];
}

/** plotly fills across gaps, so each run of neighbouring buckets gets a polygon of its own. */
function bands(x, low, high, c, common) {
  const out = [];
  let run = [];
  for (let i = 0; i <= x.length; i += 1) {
    if (i < x.length && low[i] !== null) {
      run.push(i);
    } else if (run.length) {
      const back = [...run].reverse();
      out.push({ ...common, x: [...run, ...back].map((j) => x[j]), y: [...run.map((j) => high[j]), ...back.map((j) => low[j])], fill: "toself", fillcolor: c.band });
      run = [];
    }
  }
  return out;
}

function layout(data, c) {
  const axis = { color: c.faint, gridcolor: c.line, zeroline: false, fixedrange: true, tickfont: { size: 12 } };
  const first = data.start[0];
  const end = data.start[data.start.length - 1] + data.every;
  const top = Math.max(20, ...data.negative.map((value) => (value ?? 0) * 115));
  return {
    height: HEIGHT, margin: { l: 44, r: 8, t: 8, b: 42 }, paper_bgcolor: c.paper, plot_bgcolor: c.paper,
    font: { family: getComputedStyle(document.body).fontFamily, color: c.faint, size: 12 },
    hovermode: "x unified", hoverlabel: { bgcolor: c.paper, bordercolor: c.line, font: { color: c.ink, size: 13 } }, dragmode: "zoom",
    xaxis: { ...axis, fixedrange: false, range: [first, end], showgrid: false, type: "date", hoverformat: "%a %e %b %Y, %H:%M UTC", anchor: "y2",
      tickformatstops: [{ dtickrange: [null, DAY - 1], value: "%H:%M\n%-d %b" }, { dtickrange: [DAY, null], value: "%-d %b\n%Y" }] },
    yaxis: { ...axis, domain: [0.3, 1], range: [0, Math.min(100, Math.ceil(top / 10) * 10)], ticksuffix: " %", nticks: 5 },
    yaxis2: { ...axis, domain: [0, 0.22], nticks: 2, rangemode: "tozero" },
    shapes: data.marks.map((mark) => ({
      type: "line", x0: mark.at, x1: mark.at, yref: "paper", y0: 0, y1: 1, line: { color: mark.alert ? c.warm : c.faint, width: 1.5, dash: "dot" },
    })),
  };
}

function read(root) {
  return JSON.parse(root.getElementById("trend-data").textContent);
}

async function draw(data) {
  const c = colours();
  const config = { displayModeBar: false, responsive: true, showTips: false };
  if (!place.dataset.drawn) {
    place.replaceChildren();
    place.dataset.drawn = "yes";
  }
  await window.Plotly.react(place, traces(data, c), layout(data, c), config);
}

if (place && window.Plotly) {
  let data = read(document);
  await draw(data);
  document.addEventListener("theme", () => draw(data));
  document.addEventListener("fresh", (event) => {
    data = read(event.detail);
    draw(data);
  });
}
