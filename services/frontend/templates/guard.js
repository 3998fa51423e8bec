// Runs before the page loads any file of its version. The page and its files are separate requests: if the mesh sends
// some of them to another version, which does not have these files, the page must say so.
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
