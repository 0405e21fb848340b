// Package identity knows who is who on the link: the control plane's
// certificate authority, enrolment tokens, a part's own key and certificates
// on disk, and the signatures of signed sets. It opens no connection and
// keeps no register of parts.
//
// Called by the link's client and server, by the control plane (to make the
// authority, tokens and signatures) and by the parts' command lines.
// What agents need (store.go, token.go, sets.go, minisign.go) is apart from
// what only the control plane needs (ca.go, signer.go), so that the linker
// leaves the latter out of agents.
package identity
