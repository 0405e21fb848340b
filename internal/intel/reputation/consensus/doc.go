// Package consensus turns what our own sensors saw into claims: an attacker is
// listed when independent owners in sufficient share of the fleet saw it, over
// some time. It knows sites, their owners and how far each is trusted; it does
// not know feeds, scores or where sightings come from. The reputation service
// calls it.
//
// # What a hostile site can do
//
// Little, by construction:
//
//   - All sites of one owner are one voice, and at least two owners (by default
//     five) must speak: one site, or a hundred of one owner, list nothing.
//   - An object needs the owners and, separately, the weight of a share of the
//     whole enrolled fleet (by default 15 %), not of those who happen to report.
//     Colluding owners below that share list nothing, however much they report
//     and however well they behaved before.
//   - New sites weigh a quarter and grow over 30 days; agreement with what was
//     listed adds, sightings of what must not be listed take away. No site
//     weighs more than 1.
//   - Protected objects (benign, widely shared, the operators' own) and
//     addresses that are not public are never listed; prefixes are not taken.
//   - Sightings whose source could be forged count only as far as as many others
//     are proven.
//   - Memory is shared out by owner: whoever floods the store with made-up
//     objects pushes out his own oldest sightings.
//
// The price: an attacker that fewer owners see than that share stays a
// candidate (Each shows it), which its sites act upon by themselves.
//
// # What leaves
//
// Claims hold the object, its kind, rounded times and a rounded number of
// owners, never who saw it, and only of objects that at least MinOwners owners
// saw (k-anonymity).
//
// Nothing here may be called from several goroutines at once.
package consensus
