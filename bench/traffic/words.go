package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

var (
	syllables = strings.Fields("ba be bi bo da de di do fa fi ga go ka ke ko la le li lo ma me mi mo na ne no pa po ra re ri ro sa se so ta te ti to va vi wa za ren tok mar sun bel dor lin ark ton mix net lab")
	tlds      = strings.Fields("com com com com org net net io jp co.jp de fr dev app info")
	segments  = strings.Fields("api v1 v2 static assets img images news blog article products catalog user users account search cart media css js fonts video stream feed tags category archive docs help status events lists item detail review photo thumb")
	suffixes  = strings.Fields("html html js css png jpg json svg woff2 webp php aspx xml txt ico")
	words     = strings.Fields("the of and to in is that for it was on are as with they at be this from have or by one had not but what all were when we there can an your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know get through back much before go good new write our used me man too any day same right look think also around another came come work three word must because does part")
	agents    = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.1 Safari/605.1.15",
		"Mozilla/5.0 (X11; Linux x86_64; rv:%[1]d.0) Gecko/20100101 Firefox/%[1]d.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%d.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Mobile Safari/537.36",
	}
)

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// name is a word that could be a brand.
func name(r *rand.Rand) string {
	var b strings.Builder
	for range 2 + r.IntN(3) {
		b.WriteString(pick(r, syllables))
	}
	return b.String()
}

// hosts makes n host names.
func hosts(r *rand.Rand, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = pick(r, []string{"www.", "", "cdn.", "api.", "img.", "static."}) + name(r) + "." + pick(r, tlds)
	}
	return out
}

// path is a URI of a site, sometimes with a query.
func path(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(4) {
		b.WriteString("/" + pick(r, segments))
	}
	switch r.IntN(4) {
	case 0:
		b.WriteByte('/')
	case 1:
		fmt.Fprintf(&b, "/%d", r.IntN(1e6))
	default:
		fmt.Fprintf(&b, "/%s-%x.%s", name(r), r.Uint32N(1<<20), pick(r, suffixes))
	}
	for i := range r.IntN(4) {
		sep := byte('&')
		if i == 0 {
			sep = '?'
		}
		fmt.Fprintf(&b, "%c%s=%s%d", sep, pick(r, segments), name(r), r.IntN(1000))
	}
	return b.String()
}

func agent(r *rand.Rand) string { return fmt.Sprintf(pick(r, agents), 100+r.IntN(40)) }

// prose appends about n bytes of text.
func prose(r *rand.Rand, b []byte, n int) []byte {
	for end := len(b) + n; len(b) < end; {
		b = append(append(b, pick(r, words)...), ' ')
	}
	return b
}
