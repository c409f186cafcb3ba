// The slider of a backtest: every sensitivity is on the page already, so moving it shows another one without asking the server.
const slider = document.getElementById("sensitivity");
const levels = [...document.querySelectorAll(".level")];

if (slider && levels.length > 1) {
  document.getElementById("show").hidden = true;
  slider.addEventListener("input", () => {
    const nearest = (level) => Math.abs(Number(level.dataset.sensitivity) - Number(slider.value));
    const chosen = levels.reduce((best, level) => (nearest(level) < nearest(best) ? level : best));
    for (const level of levels) level.hidden = level !== chosen;
    document.getElementById("chosen").textContent = chosen.dataset.words;
    slider.setAttribute("aria-valuetext", chosen.dataset.words);
  });
}

document.getElementById("backtest")?.addEventListener("submit", (event) => {
  const button = event.target.querySelector("button");
  button.textContent = "Running …";
  button.setAttribute("aria-busy", "true");
});

addEventListener("pageshow", () => {
  const button = document.querySelector("#backtest button");
  button.textContent = "Run";
  button.removeAttribute("aria-busy");
});
