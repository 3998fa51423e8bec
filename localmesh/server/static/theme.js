// Before the page is painted: the theme that was chosen here, else that of the system.
const chosen = localStorage.getItem("localmesh-theme");
const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.dataset.theme = dark ? "dark" : "light";
