package state

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// Config says where the state is kept.
type Config struct {
	// URL is "sqlite:PATH" or a PostgreSQL URL (postgres://…).
	URL string
	Log *slog.Logger
	// Now gives the time; nil means time.Now.
	Now func() time.Time
}

// Store is the state store.
type Store struct{}

var errPending = errors.New("state: being written")

// Open opens or makes the store and brings its tables to this version.
func Open(ctx context.Context, c Config) (*Store, error) { return nil, errPending }

// Close ends the use of the store; running calls end first.
func (s *Store) Close() error { return errPending }

// Ping says whether the store answers.
func (s *Store) Ping(ctx context.Context) error { return errPending }

// Backup writes a consistent copy to path, which must not exist (SQLite; PostgreSQL answers errors.ErrUnsupported: use pg_dump).
func (s *Store) Backup(ctx context.Context, path string) error { return errPending }

// --- actions

// SaveAction stores a new action or the definition and state of a known one.
// Part statuses and hit counts are not taken from a: see SaveActionStatus.
// A change of state that is not allowed (see Moves) fails with model.ErrConflict and changes nothing.
// Every change of state adds a line to the audit trail in the same transaction.
func (s *Store) SaveAction(ctx context.Context, a model.Action) error { return errPending }

// SaveActionStatus stores what one part says of one action, and moves a
// pending or failed action to active (or pending to failed, when every part that answered failed).
// Hit counts that fall (a part started anew) are added to what was before. It gives back the action as it is now.
// For an action that is over it stores the counts and leaves the state.
func (s *Store) SaveActionStatus(ctx context.Context, id model.ID, st model.PartStatus) (model.Action, error) {
	return model.Action{}, errPending
}

// MoveAction changes only the state, if the present state is one of from (empty: any that
// may move to to); by and reason go to EndedBy and the audit trail. model.ErrConflict otherwise.
func (s *Store) MoveAction(ctx context.Context, id model.ID, to model.ActionState, by, reason string, from ...model.ActionState) (model.Action, error) {
	return model.Action{}, errPending
}

// ExtendAction sets a later end of life of a live or proposed action.
func (s *Store) ExtendAction(ctx context.Context, id model.ID, expires time.Time) (model.Action, error) {
	return model.Action{}, errPending
}

// Action gives one action; model.ErrNotFound.
func (s *Store) Action(ctx context.Context, id model.ID) (model.Action, error) {
	return model.Action{}, errPending
}

// LiveActions gives all actions that parts should hold now, oldest first.
func (s *Store) LiveActions(ctx context.Context) ([]model.Action, error) { return nil, errPending }

// Actions gives a page of actions, newest first.
func (s *Store) Actions(ctx context.Context, f model.ActionFilter, p model.Page) (list []model.Action, next string, err error) {
	return nil, "", errPending
}

// --- incidents

// SaveIncident stores an incident. A closed incident never opens again (model.ErrConflict).
func (s *Store) SaveIncident(ctx context.Context, i model.Incident) error { return errPending }

// CloseIncident closes it and adds a story line with the note.
func (s *Store) CloseIncident(ctx context.Context, id model.ID, by, note string) (model.Incident, error) {
	return model.Incident{}, errPending
}

// Incident gives one incident; model.ErrNotFound.
func (s *Store) Incident(ctx context.Context, id model.ID) (model.Incident, error) {
	return model.Incident{}, errPending
}

// OpenIncidents gives all that are neither ended nor closed, oldest first: what correlation goes on with after a restart.
func (s *Store) OpenIncidents(ctx context.Context) ([]model.Incident, error) { return nil, errPending }

// Incidents gives a page of incidents, newest first.
func (s *Store) Incidents(ctx context.Context, f model.IncidentFilter, p model.Page) (list []model.Incident, next string, err error) {
	return nil, "", errPending
}

// --- devices

// UpsertDevices stores what is known of devices, all in one transaction. Empty fields do not
// erase known ones, FirstSeen only falls, LastSeen only rises, a name or kind that a person gave stays, State is not touched for a known device.
func (s *Store) UpsertDevices(ctx context.Context, devices []model.Device) error { return errPending }

// NameDevice sets the name and kind that people gave; nil leaves it, "" goes back to what parts say.
func (s *Store) NameDevice(ctx context.Context, id model.DeviceID, name, kind *string) (model.Device, error) {
	return model.Device{}, errPending
}

// SetDeviceState sets how the device stands.
func (s *Store) SetDeviceState(ctx context.Context, id model.DeviceID, st model.DeviceState) (model.Device, error) {
	return model.Device{}, errPending
}

// Device gives one device; model.ErrNotFound.
func (s *Store) Device(ctx context.Context, id model.DeviceID) (model.Device, error) {
	return model.Device{}, errPending
}

// Devices gives a page of devices in the order of their IDs; words are all looked for in id, name, kind, addresses, vendor, hostname and state.
func (s *Store) Devices(ctx context.Context, words string, p model.Page) (list []model.Device, next string, err error) {
	return nil, "", errPending
}

// Counts gives the numbers of an overview.
func (s *Store) Counts(ctx context.Context) (model.Counts, error) { return model.Counts{}, errPending }

// --- parts, certificates, enrolment

// CreateEnrollToken makes a token with t's Role, Name, Uses, Expires and Author and gives its text, which
// is kept nowhere. caPin is the first 16 hex digits of the SHA-256 of the CA certificate.
func (s *Store) CreateEnrollToken(ctx context.Context, t model.EnrollToken, caPin string) (text string, made model.EnrollToken, err error) {
	return "", model.EnrollToken{}, errPending
}

// EnrollTokens lists tokens, newest first, also used and expired ones.
func (s *Store) EnrollTokens(ctx context.Context) ([]model.EnrollToken, error) {
	return nil, errPending
}

// DeleteEnrollToken takes a token back; model.ErrNotFound.
func (s *Store) DeleteEnrollToken(ctx context.Context, id model.ID) error { return errPending }

// UseEnrollToken takes one use of a token, atomically. Errors: model.ErrTokenUnknown, ErrTokenExpired, ErrTokenUsed, ErrTokenRole.
func (s *Store) UseEnrollToken(ctx context.Context, text string, role model.Role) (model.EnrollToken, error) {
	return model.EnrollToken{}, errPending
}

// SavePart stores a newly enrolled part (model.ErrExists) with its first certificate.
func (s *Store) SavePart(ctx context.Context, p model.Part, c model.Certificate) error {
	return errPending
}

// SaveCertificate stores a renewed certificate and sets the part's NotAfter.
func (s *Store) SaveCertificate(ctx context.Context, c model.Certificate) error { return errPending }

// UpdateParts stores what parts say of themselves (Name if empty before, Device, Version, LastSeen, Coverage, Spooled,
// Dropped, SetsSeen) in one transaction; unknown parts are left out.
func (s *Store) UpdateParts(ctx context.Context, parts []model.Part) error { return errPending }

// Part gives one part; model.ErrNotFound.
func (s *Store) Part(ctx context.Context, id model.PartID) (model.Part, error) {
	return model.Part{}, errPending
}

// Parts lists all parts in the order of enrolment.
func (s *Store) Parts(ctx context.Context) ([]model.Part, error) { return nil, errPending }

// RevokePart ends the trust in a part and all its certificates, for ever.
func (s *Store) RevokePart(ctx context.Context, id model.PartID, by, reason string) (model.Part, error) {
	return model.Part{}, errPending
}

// RevokedParts lists the IDs of all revoked parts.
func (s *Store) RevokedParts(ctx context.Context) ([]model.PartID, error) { return nil, errPending }

// --- sets, policy, settings

// SaveSet stores a new version of a signed set; model.ErrConflict unless its version is above the newest. The last 16 versions are kept.
func (s *Store) SaveSet(ctx context.Context, set model.SignedSet) error { return errPending }

// Set gives the newest version of a set; model.ErrNotFound.
func (s *Store) Set(ctx context.Context, name string) (model.SignedSet, error) {
	return model.SignedSet{}, errPending
}

// Content gives the payload with the given SHA-256; model.ErrNotFound.
func (s *Store) Content(ctx context.Context, sha256 [32]byte) ([]byte, error) {
	return nil, errPending
}

// SavePolicy stores a new version of the policy text and gives its number, one above the newest.
func (s *Store) SavePolicy(ctx context.Context, text, author string) (model.PolicyText, error) {
	return model.PolicyText{}, errPending
}

// Policy gives the newest policy text; model.ErrNotFound before the first.
func (s *Store) Policy(ctx context.Context) (model.PolicyText, error) {
	return model.PolicyText{}, errPending
}

// Policies gives former policy texts, newest first.
func (s *Store) Policies(ctx context.Context, p model.Page) (list []model.PolicyText, next string, err error) {
	return nil, "", errPending
}

// Setting gives a setting, "" when it was never set.
func (s *Store) Setting(ctx context.Context, key string) (string, error) { return "", errPending }

// SetSetting stores a setting.
func (s *Store) SetSetting(ctx context.Context, key, value string) error { return errPending }

// --- people

// CreateUser adds a user; model.ErrExists, model.ErrInvalid (name of 1 to 64 letters, digits, ".", "_", "-", "@"; password of 12 to 256 bytes).
func (s *Store) CreateUser(ctx context.Context, name string, access model.Access, password string) (model.User, error) {
	return model.User{}, errPending
}

// CreateFirstUser is CreateUser for an admin, only while there is no user (model.ErrConflict).
func (s *Store) CreateFirstUser(ctx context.Context, name, password string) (model.User, error) {
	return model.User{}, errPending
}

// CheckPassword gives the user whose password it is and notes the time, or model.ErrLogin after the same time for known and unknown names.
func (s *Store) CheckPassword(ctx context.Context, name, password string) (model.User, error) {
	return model.User{}, errPending
}

// SetPassword changes a password and so voids the user's sessions.
func (s *Store) SetPassword(ctx context.Context, name, password string) error { return errPending }

// User gives one user; model.ErrNotFound.
func (s *Store) User(ctx context.Context, name string) (model.User, error) {
	return model.User{}, errPending
}

// Users lists all users by name.
func (s *Store) Users(ctx context.Context) ([]model.User, error) { return nil, errPending }

// DeleteUser removes a user and the user's API tokens; model.ErrConflict for the last admin.
func (s *Store) DeleteUser(ctx context.Context, name string) error { return errPending }

// CreateAPIToken makes a token for t.User with t's Name, Access and Expires; the text ("mgp_…") is kept nowhere.
func (s *Store) CreateAPIToken(ctx context.Context, t model.APIToken) (text string, made model.APIToken, err error) {
	return "", model.APIToken{}, errPending
}

// CheckAPIToken gives the token and its user, or model.ErrLogin. A token without user (t.User "") belongs to the local machine.
func (s *Store) CheckAPIToken(ctx context.Context, text string) (model.APIToken, error) {
	return model.APIToken{}, errPending
}

// APITokens lists the tokens of one user, or of all when user is empty.
func (s *Store) APITokens(ctx context.Context, user string) ([]model.APIToken, error) {
	return nil, errPending
}

// DeleteAPIToken removes a token; model.ErrNotFound.
func (s *Store) DeleteAPIToken(ctx context.Context, id model.ID) error { return errPending }

// --- audit

// AppendAudit adds a line to the audit trail; Seq, Time (when zero), Previous and Hash are filled in.
func (s *Store) AppendAudit(ctx context.Context, e model.AuditEntry) (model.AuditEntry, error) {
	return model.AuditEntry{}, errPending
}

// Audit gives a page of the trail, newest first.
func (s *Store) Audit(ctx context.Context, p model.Page) (list []model.AuditEntry, next string, err error) {
	return nil, "", errPending
}

// VerifyAudit reads the whole trail and gives its length, or an *AuditBreak that says where the chain does not hold.
func (s *Store) VerifyAudit(ctx context.Context) (uint64, error) { return 0, errPending }

// AuditBreak says where the audit trail was changed from outside.
type AuditBreak struct {
	Seq    uint64
	Reason string
}

// Error implements error.
func (b *AuditBreak) Error() string { return b.Reason }
