// What the page does by itself: ages that go on, whether what is shown is live, dialogs, and the focus where things were made anew.
(() => {
  let beat = null, heard = performance.now(), offset = 0, key = null;

  const lasting = (seconds) => {
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
    return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds / 3600) % 24} h`;
  };
  const write = (node, text) => { if (node.textContent !== text) node.textContent = text };

  const tick = () => {
    const pulse = document.querySelector("[data-beat]");
    if (pulse && pulse.dataset.beat !== "0" && pulse.dataset.beat !== beat) {
      beat = pulse.dataset.beat;
      heard = performance.now();
      offset = Number(beat) - Date.now();  // ages are counted on the service's clock
    }
    const quiet = performance.now() - heard;
    if (pulse) {
      const live = quiet < Number(pulse.dataset.stale);
      pulse.classList.toggle("lost", !live);
      write(pulse, live ? "Live" : "NOT LIVE: what you see may be old");
    }
    for (const node of document.querySelectorAll("[data-since]")) {
      const seconds = Math.max(0, Math.floor((Date.now() + offset - Number(node.dataset.since)) / 1000));
      const late = node.dataset.overdue !== undefined && seconds > Number(node.dataset.overdue);
      node.classList.toggle("late", late);
      write(node, `${lasting(seconds)} ago${late ? ", OVERDUE" : ""}`);
    }
  };

  // A chart that was drawn before the page had its width is told so: it looks only when that changes.
  const fit = () => {
    for (const chart of document.querySelectorAll(".chart")) {
      const drawn = chart.querySelector("canvas")?.offsetWidth;
      if (drawn && Math.abs(drawn - chart.offsetWidth) > 2) chart.style.width = chart.style.width ? "" : "calc(100% - 1px)";
    }
  };

  const tend = () => {
    for (const dialog of document.querySelectorAll("dialog[data-open]")) {
      if (dialog.hasAttribute("data-close")) { if (dialog.open) dialog.close() }
      else if (!dialog.open && !dialog.dataset.shown) { dialog.dataset.shown = "yes"; dialog.showModal() }
    }
    const lost = !document.activeElement || document.activeElement === document.body;
    if (lost && key) {
      const again = [...document.querySelectorAll("[data-focus]")].find((node) => node.dataset.focus === key);
      again?.focus({ preventScroll: true });
    }
    tick();
  };

  document.addEventListener("focusin", (event) => { key = event.target.dataset?.focus ?? (event.target.closest("dialog") ? key : null) });
  document.addEventListener("pointerdown", (event) => { if (!event.target.closest("[data-focus], dialog")) key = null });
  new MutationObserver(tend).observe(document.documentElement, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-close", "data-beat", "data-open"] });
  setInterval(() => { tick(); fit() }, 1000);
  setTimeout(fit, 250);
  tend();
})();
