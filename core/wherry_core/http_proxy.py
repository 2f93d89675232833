"""The proxy on the way to a server, as the environment names it."""

from urllib.request import getproxies, proxy_bypass


def proxy_for(scheme: str, host: str) -> str | None:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names, unless NO_PROXY does.

    Looked up once for a host: aiohttp's own look reads the environment, and ~/.netrc in a thread,
    for every request, which takes as long as all the rest of a request for a small object.
    """
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if proxy is None or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
