// The theme's buttons that unfold a part of the navigation have no name for screen readers.
document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("summary:not([aria-label])")) {
    if (!button.textContent.trim()) button.setAttribute("aria-label", "pages below");
  }
});
