// Light or dark: the visitor's choice if there is one, else the system's. Runs before the page is drawn, so nothing flashes.
(() => {
  const KEY = "moodstream-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off
    }
  };
  const isDark = () => (chosen() ?? (system.matches ? "dark" : "light")) === "dark";

  const apply = () => {
    const dark = isDark();
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    document.getElementById("theme")?.setAttribute("aria-pressed", String(dark));
    document.dispatchEvent(new CustomEvent("theme"));
  };

  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    button.hidden = false;
    button.addEventListener("click", () => {
      try {
        localStorage.setItem(KEY, isDark() ? "light" : "dark");
      } catch {
        document.documentElement.dataset.theme = isDark() ? "light" : "dark";
        return;
      }
      apply();
    });
    apply();
  });
})();
