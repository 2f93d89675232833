"""The proxy for a server, from the environment."""

from urllib.request import getproxies, proxy_bypass


def proxy_for(scheme: str, host: str) -> str | None:
    """Return the proxy of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY; None when NO_PROXY lists the host.

    Look it up once per host: aiohttp's own lookup reads the environment and ``~/.netrc`` for each
    request, which takes as long as the rest of a request for a small object.
    """
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if proxy is None or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
