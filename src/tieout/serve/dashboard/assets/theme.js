// Light or dark as the system has it, unless somebody chose: before anything is painted.
(() => {
  const chosen = () => { try { return localStorage.getItem("tieout-theme") } catch { return null } };
  const set = (theme) => theme ? document.documentElement.setAttribute("data-theme", theme) : document.documentElement.removeAttribute("data-theme");
  set(chosen());
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-switch]")) return;
    const now = document.documentElement.getAttribute("data-theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    set(next);
    try { localStorage.setItem("tieout-theme", next) } catch { /* it holds for this page */ }
  });
})();
