// Runs before the first paint, so that a chosen theme does not flash; the policy allows no inline script.
try {
  const theme = localStorage.getItem('wherry:theme');
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  document.documentElement.removeAttribute('data-theme');
}
