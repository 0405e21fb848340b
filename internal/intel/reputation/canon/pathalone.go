package canon

import (
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Path reads a path that is bad on every host, "/bins/mirai.arm7" or
// "/panel/gate.php?id=1", as the path of a URL in canonical form (see URL): an
// Object of TypeURL whose text begins with "/". Paths that many innocent sites
// have ("/", "/index.php", "/login", "/12") are refused. Errors are *Error.
func Path(s string) (reputation.Object, error) {
	t := strings.TrimSpace(s)
	if t == "" || t[0] != '/' || len(t) > MaxURL {
		return reputation.Object{}, refuse(s, "not a path", "write it from the first slash on, with at most 4096 bytes")
	}
	if hash := strings.IndexByte(t, '#'); hash >= 0 {
		t = t[:hash]
	}
	text := t
	if !isCanonicalPath(t) {
		text = string(appendPath(nil, t))
	}
	if len(text) > MaxURL {
		return reputation.Object{}, refuse(s, "a path that is too long", "shorten it")
	}
	if isCommon(text) {
		return reputation.Object{}, refuse(s, "a path that many innocent sites have", "write the whole URL, with its host")
	}
	return reputation.Object{Type: reputation.TypeURL, Text: text}, nil
}

// IsPath says whether an object is a path without a host.
func IsPath(o reputation.Object) bool {
	return o.Type == reputation.TypeURL && strings.HasPrefix(o.Text, "/")
}

// isCommon says whether every segment of a path is one that many sites have. Of a path
// with a query the query counts as a segment that tells enough when it is long.
func isCommon(path string) bool {
	path, query, _ := strings.Cut(path, "?")
	if len(query) >= 8 {
		return false
	}
	for seg := range strings.SplitSeq(path, "/") {
		if !isCommonSegment(strings.ToLower(seg)) {
			return false
		}
	}
	return true
}

func isCommonSegment(seg string) bool {
	if dot := strings.LastIndexByte(seg, '.'); dot > 0 && isWebEnding(seg[dot+1:]) {
		seg = seg[:dot]
	}
	seg = strings.TrimRight(seg, "0123456789-_.") // "page2", "v1"
	if len(seg) < 3 {
		return true
	}
	switch seg {
	case "index", "default", "main", "home", "start", "welcome", "login", "logout", "signin", "sign-in", "signup", "auth", "oauth", "account", "user", "users", "profile",
		"admin", "administrator", "wp-admin", "wp-login", "wp-content", "wp-includes", "xmlrpc", "plugins", "themes", "uploads", "upload", "download", "downloads",
		"image", "images", "img", "pics", "photos", "media", "video", "videos", "file", "files", "docs", "doc", "data", "css", "style", "styles", "font", "fonts",
		"script", "scripts", "javascript", "assets", "static", "public", "dist", "build", "vendor", "include", "includes", "lib", "libs", "bin", "cgi-bin", "tmp", "temp",
		"api", "rest", "graphql", "rpc", "ajax", "json", "xml", "rss", "feed", "atom", "sitemap", "robots", "favicon", "humans", "ads", "security", ".well-known",
		"search", "find", "query", "list", "view", "show", "page", "pages", "post", "posts", "blog", "news", "article", "articles", "archive", "category", "tag", "tags",
		"item", "items", "product", "products", "shop", "store", "cart", "checkout", "order", "orders", "pay", "payment", "invoice", "contact", "about", "help", "support",
		"faq", "forum", "comment", "comments", "mail", "email", "newsletter", "subscribe", "register", "config", "settings", "setup", "install", "update", "updates",
		"upgrade", "version", "status", "health", "ping", "test", "demo", "info", "phpinfo", "stats", "report", "reports", "log", "logs", "error", "redirect", "go", "link",
		"get", "set", "put", "send", "submit", "form", "forms", "action", "event", "events", "track", "analytics", "web", "site", "www", "html", "php", "app", "apps",
		"mobile", "client", "server", "service", "services", "portal", "dashboard", "panel", "manager", "system", "sys", "core", "common", "global", "content", "resource",
		"resources", "template", "templates", "module", "modules", "component", "components", "cache", "backup", "old", "new", "dev", "beta", "prod":
		return true
	}
	return false
}

// isWebEnding names the endings of what web sites are made of.
func isWebEnding(s string) bool {
	switch s {
	case "php", "html", "htm", "xhtml", "shtml", "asp", "aspx", "ashx", "jsp", "do", "action", "cgi", "js", "mjs", "css", "map", "json", "xml", "txt", "ico",
		"png", "jpg", "jpeg", "gif", "svg", "webp", "woff", "woff2", "ttf", "pdf", "zip", "gz":
		return true
	}
	return false
}
