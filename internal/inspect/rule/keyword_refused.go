package rule

import "github.com/masugata/masugata/internal/inspect/rule/syntax"

// refusedKeywords are known and cannot be honoured.
func refusedKeywords() []keyword {
	row := func(name, why, mend string) keyword {
		return keyword{name: name, family: "refused", arg: argMay, doc: why, refused: true,
			run: func(_ *builder, t, _ syntax.Token) error { return fail(t, "%s is refused: "+why, mend, t.Text) }}
	}
	return []keyword{
		row("lua", "scripts are not run in the data path", "write the condition with keywords, byte_math or a data set"),
		row("luajit", "scripts are not run in the data path", "write the condition with keywords, byte_math or a data set"),
		row("luaxform", "scripts are not run in the data path", "use the transforms that rules keywords lists"),
		row("geoip", "there is no data about countries", "use a data set of addresses"),
		row("nfq_set_mark", "packets are not marked by rules", "use policies"),
		row("flowvar", "is not for rules; it is what pcre keeps", "use pcre with flow:name"),
		row("pktvar", "is not for rules; it is what pcre keeps", "use pcre with pkt:name"),
		row("template", "does nothing", "take it away"),
		row("template2", "does nothing", "take it away"),
	}
}
