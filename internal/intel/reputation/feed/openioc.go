package feed

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/feed/jsonscan"
)

// iocReader reads OpenIOC 1.1 and 1.0: indicators whose items are joined by OR and
// AND. What stands in groups of OR alone is given as it comes; a group of AND is
// kept to its end.
type iocReader struct {
	piecewise
	d      *xml.Decoder
	g      guard
	groups []iocGroup
	item   iocItem
	inside string // element whose text is read
	known  bool   // the document is OpenIOC
	depth  int
	kept   int // alternatives in groups
}

// iocGroup is an Indicator element.
type iocGroup struct {
	and     bool
	fresh   bool // no member yet
	members []branch
}

// iocItem is an IndicatorItem element.
type iocItem struct {
	search, condition, kind, content string
	not                              bool
}

func openIOC(r io.Reader, o *Options) (Reader, error) {
	i := &iocReader{g: guard{r: &limited{r, maxDocument}}}
	i.d = xml.NewDecoder(&i.g)
	i.piecewise = piecewise{o: o, fill: func(*piecewise) error { return i.step() }}
	return i, nil
}

// step reads one token.
func (i *iocReader) step() error {
	i.g.left = maxPiece
	t, err := i.d.RawToken()
	var syntax *xml.SyntaxError
	switch {
	case err == io.EOF && (!i.known || i.depth > 0):
		return io.ErrUnexpectedEOF
	case errors.As(err, &syntax) && strings.Contains(syntax.Msg, "unexpected EOF"):
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	}
	switch t := t.(type) {
	case xml.StartElement:
		return i.start(t)
	case xml.EndElement:
		return i.end(t.Name.Local)
	case xml.CharData:
		return i.words(string(t))
	}
	return nil
}

func (i *iocReader) start(t xml.StartElement) error {
	name := t.Name.Local
	if !i.known {
		if !strings.EqualFold(name, "ioc") && !strings.EqualFold(name, "OpenIOC") {
			return errNot("document of OpenIOC")
		}
		i.known = true
	}
	if i.depth++; i.depth > jsonscan.MaxDepth {
		return errNot("document of OpenIOC: it is nested too deep")
	}
	i.inside = name
	switch name {
	case "Indicator":
		i.groups = append(i.groups, iocGroup{and: strings.EqualFold(attribute(t, "operator"), "AND"), fresh: true})
	case "IndicatorItem":
		i.item = iocItem{condition: strings.ToLower(attribute(t, "condition")), not: attribute(t, "negate") == "true"}
	case "Context":
		i.item.search = attribute(t, "search")
	case "Content":
		i.item.kind = strings.ToLower(attribute(t, "type"))
	}
	return nil
}

func attribute(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// words takes the text of the elements that are read.
func (i *iocReader) words(s string) error {
	switch i.inside {
	case "Content":
		if i.item.content += s; len(i.item.content) > maxPattern {
			return errNot("document of OpenIOC: a content is too long")
		}
	case "short_description":
		if len(i.groups) == 0 && note(s) != "" {
			i.o.Name = note(s)
		}
	}
	return nil
}

func (i *iocReader) end(name string) error {
	if i.depth--; i.depth < 0 {
		return errNot("document of OpenIOC: an end without a beginning")
	}
	i.inside = ""
	switch name {
	case "IndicatorItem":
		i.begin([]byte(i.item.search), []byte(i.item.condition), []byte(strings.TrimSpace(i.item.content)))
		return i.member([]branch{i.item.branch()})
	case "Indicator":
		if len(i.groups) == 0 {
			return errNot("document of OpenIOC: an end without a beginning")
		}
		last := i.groups[len(i.groups)-1]
		i.groups = i.groups[:len(i.groups)-1]
		if last.fresh {
			return nil
		}
		return i.member(last.members)
	}
	return nil
}

// member adds an item or a group to the group around it.
func (i *iocReader) member(list []branch) error {
	and := false
	for _, g := range i.groups {
		and = and || g.and
	}
	if !and {
		i.branches(i.base(), list)
		if n := len(i.groups); n > 0 {
			i.groups[n-1].fresh = true // its members were given
		}
		i.kept = 0
		return nil
	}
	if i.kept += len(list); i.kept > maxBranches {
		return errNot("document of OpenIOC: a group of AND has too many alternatives")
	}
	switch g := &i.groups[len(i.groups)-1]; {
	case g.fresh:
		g.members, g.fresh = list, false
	case g.and:
		g.members = bothOf(g.members, list)
	default:
		g.members = append(g.members, list...)
	}
	return nil
}

// branch is what an item says.
func (item *iocItem) branch() branch {
	value := []byte(strings.TrimSpace(item.content))
	read, detail := iocTerm(item.search, item.kind)
	switch {
	case detail:
		return branch{}
	case read == nil:
		return branch{err: &Refusal{Problem: "a condition on what cannot be listed", Mend: "conditions on addresses, names, URLs, hashes and mail addresses are read"}}
	case item.not || strings.HasSuffix(item.condition, "not"):
		return branch{err: &Refusal{Problem: "a condition on what something is not", Mend: `only items with condition="is" can be listed`}}
	case item.condition == "contains" && wholeTerm(item.search):
	case item.condition != "is":
		return branch{err: &Refusal{Problem: "a pattern in words, not an object", Mend: `only items with condition="is" can be listed`}}
	}
	o, err := read(value)
	if err != nil {
		return branch{err: err}
	}
	return branch{objects: []reputation.Object{o}}
}

// wholeTerm names the terms whose values are whole even where makers write "contains",
// as their editors did by default: names of hosts and hashes.
func wholeTerm(search string) bool {
	return strings.HasSuffix(search, "/DNS") || search == "DnsEntryItem/Host" || strings.HasSuffix(search, "sum") && strings.HasPrefix(search, "FileItem/")
}

// iocTerm gives the reader of a term's value; detail is a term that only narrows what
// another one names.
func iocTerm(search, kind string) (read func([]byte) (reputation.Object, error), detail bool) {
	switch search {
	case "FileItem/Md5sum", "FileItem/Sha1sum", "FileItem/Sha256sum", "TaskItem/md5sum", "TaskItem/sha1sum", "TaskItem/sha256sum",
		"ProcessItem/SectionList/MemorySection/Md5sum", "ProcessItem/SectionList/MemorySection/Sha1Sum", "ProcessItem/SectionList/MemorySection/Sha256Sum",
		"DriverItem/Md5sum", "DriverItem/Sha1sum", "DriverItem/Sha256sum", "ServiceItem/pathmd5sum", "ServiceItem/pathsha1sum", "ServiceItem/pathsha256sum":
		return asFile, false
	case "PortItem/remoteIP", "RouteEntryItem/Destination", "DnsEntryItem/RecordData/IPv4Address", "DnsEntryItem/RecordData/IPv6Address", "Network/RemoteIP":
		return address, false
	case "Network/DNS", "DnsEntryItem/Host", "DnsEntryItem/RecordName", "DnsEntryItem/RecordData/Host", "UrlHistoryItem/HostName", "CookieHistoryItem/HostName",
		"FormHistoryItem/HostName", "FileDownloadHistoryItem/HostName":
		return mixed, false
	case "Network/URI", "UrlHistoryItem/URL", "FileDownloadHistoryItem/SourceURL":
		return wholeURL, false
	case "Email/From":
		return text(canon.Email), false
	case "FileItem/FileName", "FileItem/FullPath", "FileItem/FilePath", "FileItem/FileExtension", "FileItem/SizeInBytes", "PortItem/remotePort",
		"PortItem/localPort", "PortItem/protocol", "FileItem/PEInfo/PETimeStamp", "FileItem/PEInfo/Type":
		return nil, true
	}
	if search != "" {
		return nil, false
	}
	switch kind { // by the content's own type when the term is not told
	case "md5", "sha1", "sha256":
		return asFile, false
	case "ip":
		return address, false
	}
	return nil, false
}

// wholeURL reads a URL that has its host.
func wholeURL(b []byte) (reputation.Object, error) {
	host, _, _ := strings.Cut(string(b), "/")
	if !strings.Contains(string(b), "://") && !strings.Contains(host, ".") {
		return reputation.Object{}, &Refusal{Problem: "a path without a host", Mend: "write the whole URL"}
	}
	return canon.URL(string(b))
}
