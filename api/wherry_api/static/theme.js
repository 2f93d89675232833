// Applies the chosen theme before the first paint. A file, because the policy allows no inline script.
try {
  const theme = localStorage.getItem('wherry:theme');
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  document.documentElement.removeAttribute('data-theme');
}
