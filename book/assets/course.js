// Accessibility faults of the theme, mended where the theme leaves no other place to do it.
document.addEventListener("DOMContentLoaded", () => {
  // These buttons have a label that differs from the text that they show, so that speaking the text does not press them.
  for (const button of document.querySelectorAll(".search-button-field, .theme-switch-button")) {
    button.removeAttribute("aria-label");
  }
  // The arrows that unfold the contents have no name.
  for (const arrow of document.querySelectorAll(".bd-sidenav summary")) {
    const chapter = arrow.closest("li").querySelector("a");
    arrow.setAttribute("aria-label", `Pages below ${chapter.textContent.trim()}`);
  }
  // The logo stands outside of every landmark.
  const logo = document.querySelector(".bd-sidebar-primary a.navbar-brand");
  const box = logo && (logo.closest(".sidebar-primary-item") || logo.parentElement);
  if (box) {
    box.setAttribute("role", "navigation");
    box.setAttribute("aria-label", "Home");
  }
});
