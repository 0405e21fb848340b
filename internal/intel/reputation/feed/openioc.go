package feed

import (
	"io"
	"slices"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/feed/jsonscan"
	"github.com/masugata/masugata/internal/intel/reputation/feed/xmlscan"
)

// iocReader reads OpenIOC 1.1 and 1.0: indicators whose items are joined by OR and
// AND. What stands in groups of OR alone is given as it comes; a group of AND is
// kept to its end.
type iocReader struct {
	piecewise
	in     *xmlscan.Scanner
	terms  map[string]iocTerm // that have come
	groups []iocGroup
	item   iocItem
	inside inside // element whose text is read
	known  bool   // the document is OpenIOC
	depth  int
	kept   int // alternatives in groups
	single [1]branch
	object [1]reputation.Object
}

// inside is an element whose text is read.
type inside uint8

const (
	insideOther inside = iota
	insideContent
	insideDescription
)

// iocGroup is an Indicator element.
type iocGroup struct {
	and     bool
	fresh   bool // no member yet
	members []branch
}

// iocItem is an IndicatorItem element.
type iocItem struct {
	search, condition, kind, content []byte
	not                              bool
}

// iocTerm says what is read of a term's value.
type iocTerm struct {
	read   func([]byte) (reputation.Object, error)
	detail bool // it only narrows what another one names
	whole  bool // see wholeTerm
}

func openIOC(r io.Reader, o *Options) (Reader, error) {
	i := &iocReader{in: xmlscan.New(&limited{r, maxDocument}, maxPiece), terms: map[string]iocTerm{}}
	i.piecewise = piecewise{o: o, fill: func(*piecewise) error { return i.step() }}
	return i, nil
}

// step reads one token.
func (i *iocReader) step() error {
	i.in.Piece()
	kind, b, err := i.in.Next()
	switch {
	case err == io.EOF && (!i.known || i.depth > 0):
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	case kind == xmlscan.Start:
		return i.start(b)
	case kind == xmlscan.End:
		return i.end(b)
	}
	return i.words(b)
}

func (i *iocReader) start(name []byte) error {
	if !i.known {
		if !strings.EqualFold(string(name), "ioc") && !strings.EqualFold(string(name), "OpenIOC") {
			return errNot("document of OpenIOC")
		}
		i.known = true
	}
	if i.depth++; i.depth > jsonscan.MaxDepth {
		return errNot("document of OpenIOC: it is nested too deep")
	}
	i.inside = insideOther
	item := &i.item
	switch string(name) {
	case "Indicator":
		i.groups = append(i.groups, iocGroup{and: strings.EqualFold(string(i.in.Attr("operator")), "AND"), fresh: true})
	case "IndicatorItem":
		item.condition = append(item.condition[:0], lower(i.in.Attr("condition"))...)
		item.not = string(i.in.Attr("negate")) == "true"
		item.search, item.kind, item.content = item.search[:0], item.kind[:0], item.content[:0]
	case "Context":
		item.search = append(item.search[:0], i.in.Attr("search")...)
	case "Content":
		item.kind = append(item.kind[:0], lower(i.in.Attr("type"))...)
		i.inside = insideContent
	case "short_description":
		i.inside = insideDescription
	}
	return nil
}

// words takes the text of the elements that are read.
func (i *iocReader) words(b []byte) error {
	switch i.inside {
	case insideContent:
		if i.item.content = append(i.item.content, b...); len(i.item.content) > maxPattern {
			return errNot("document of OpenIOC: a content is too long")
		}
	case insideDescription:
		if words := note(string(b)); len(i.groups) == 0 && words != "" {
			i.o.Name = words
		}
	}
	return nil
}

func (i *iocReader) end(name []byte) error {
	if i.depth--; i.depth < 0 {
		return errNot("document of OpenIOC: an end without a beginning")
	}
	i.inside = insideOther
	switch string(name) {
	case "IndicatorItem":
		item := &i.item
		i.begin(item.search, item.condition, trim(item.content))
		i.single[0] = i.branch(item)
		return i.member(i.single[:])
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
	list = slices.Clone(list)
	for n := range list {
		list[n].objects = slices.Clone(list[n].objects) // what an item gave is good until the next
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

// branch is what an item says. Its object is good until the next item.
func (i *iocReader) branch(item *iocItem) branch {
	t := i.term(item)
	condition := string(item.condition)
	switch {
	case t.detail && string(item.search) == "PortItem/remotePort" && condition == "is" && !item.not:
		return branch{port: portOf(string(trim(item.content)))}
	case t.detail:
		return branch{}
	case t.read == nil:
		return branch{err: &Refusal{Problem: "a condition on what cannot be listed", Mend: "conditions on addresses, names, URLs, hashes and mail addresses are read"}}
	case item.not || strings.HasSuffix(condition, "not"):
		return branch{err: &Refusal{Problem: "a condition on what something is not", Mend: `only items with condition="is" can be listed`}}
	case condition == "contains" && t.whole:
	case condition != "is":
		return branch{err: &Refusal{Problem: "a pattern in words, not an object", Mend: `only items with condition="is" can be listed`}}
	}
	var err error
	if i.object[0], err = t.read(trim(item.content)); err != nil {
		return branch{err: err}
	}
	return branch{objects: i.object[:]}
}

// term is what is known of an item's term.
func (i *iocReader) term(item *iocItem) iocTerm {
	if len(item.search) == 0 {
		return termOf("", string(item.kind))
	}
	t, known := i.terms[string(item.search)]
	if !known {
		t = termOf(string(item.search), "")
		if len(i.terms) < maxWords && len(item.search) <= 256 {
			i.terms[string(item.search)] = t
		}
	}
	return t
}

// wholeTerm names the terms whose values are whole even where makers write "contains",
// as their editors did by default: names of hosts and hashes.
func wholeTerm(search string) bool {
	return strings.HasSuffix(search, "/DNS") || search == "DnsEntryItem/Host" || strings.HasSuffix(search, "sum") && strings.HasPrefix(search, "FileItem/")
}

// termOf gives what is read of a term, or of the content's own kind where the term is
// not told.
func termOf(search, kind string) iocTerm {
	read, detail := readerOf(search, kind)
	return iocTerm{read, detail, wholeTerm(search)}
}

func readerOf(search, kind string) (read func([]byte) (reputation.Object, error), detail bool) {
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
