// Runs before anything of a version is asked for. A page and its files come in requests of their own: where the mesh
// sends those to another version, which does not have them, the page must not pretend to be whole.
(() => {
  const lost = new Set();
  const show = () => {
    const notice = document.getElementById("mixed");
    if (!notice || lost.size === 0) return;
    notice.querySelector("code").textContent = [...lost].join(" and ");
    notice.hidden = false;
  };
  addEventListener("error", ({ target }) => {
    const address = target instanceof Element && (target.src || target.href);
    if (!address) return;
    lost.add(new URL(address).pathname);
    show();
  }, true);
  addEventListener("DOMContentLoaded", show);
})();
