/* Light or dark before anything is painted: what was chosen here once, else what the system says. */
(function () {
  const stored = (() => { try { return localStorage.getItem("scheme"); } catch (e) { return null; } })();
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const set = (name) => {
    document.documentElement.dataset.scheme = name;
    document.documentElement.dataset.agThemeMode = name;
  };
  set(stored || (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", (event) => {
    let kept = null;
    try { kept = localStorage.getItem("scheme"); } catch (e) { /* private mode */ }
    if (!kept) set(event.matches ? "dark" : "light");
  });
  window.boardScheme = () => {
    const name = document.documentElement.dataset.scheme === "dark" ? "light" : "dark";
    set(name);
    try { localStorage.setItem("scheme", name); } catch (e) { /* private mode */ }
  };
})();
