package rest

import (
	"context"
	"errors"
	"net/http"

	"github.com/masugata/masugata/internal/model"
)

// IncidentList is a page of incidents, newest first.
type IncidentList struct {
	Incidents []model.Incident `json:"incidents"`
	Next      string           `json:"next"`
}

// IncidentDetail is an incident with all that belongs to it.
type IncidentDetail struct {
	Incident model.Incident `json:"incident"`
	Actions  []model.Action `json:"actions"`
	Devices  []model.Device `json:"devices"`
	Events   []*model.Event `json:"events" doc:"The first 50 that are still stored"`
}

type incidentsInput struct {
	State  []string       `query:"state" enum:"open,contained,ended,closed" doc:"One or more, separated by commas"`
	Device model.DeviceID `query:"device" maxLength:"64"`
	Limit  int            `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Before string         `query:"before" maxLength:"256"`
}

type closeInput struct {
	ID   model.ID `path:"id"`
	Body struct {
		Note string `json:"note" maxLength:"4000" doc:"What was found and done"`
	}
}

func (s *server) registerIncidents() {
	add(s, op{id: "list-incidents", method: http.MethodGet, path: "/incidents", tag: "incidents", summary: "List incidents"}, s.listIncidents)
	add(s, op{id: "get-incident", method: http.MethodGet, path: "/incidents/{id}", tag: "incidents", summary: "One incident with its actions, devices and events"}, s.getIncident)
	add(s, op{id: "close-incident", method: http.MethodPost, path: "/incidents/{id}/close", tag: "incidents", summary: "Close an incident"}, s.closeIncident)
}

func (s *server) listIncidents(ctx context.Context, in *incidentsInput) (IncidentList, error) {
	f := model.IncidentFilter{States: convert[model.IncidentState](in.State), Device: in.Device}
	list, next, err := s.Cases.Incidents(ctx, f, model.Page{Limit: in.Limit, Before: in.Before})
	return IncidentList{Incidents: tidyAll(list, tidyIncident), Next: next}, err
}

// shownEvents is how many events a detail page shows.
const shownEvents = 50

func (s *server) getIncident(ctx context.Context, in *idInput) (IncidentDetail, error) {
	i, err := s.Cases.Incident(ctx, in.ID)
	if err != nil {
		return IncidentDetail{}, err
	}
	actions, _, err := s.Cases.Actions(ctx, model.ActionFilter{Incident: in.ID}, model.Page{})
	if err != nil {
		return IncidentDetail{}, err
	}
	d := IncidentDetail{Incident: tidyIncident(i), Actions: orEmpty(actions), Devices: []model.Device{}, Events: []*model.Event{}}
	for _, id := range i.Devices {
		dev, err := s.Inventory.Device(ctx, id)
		if errors.Is(err, model.ErrNotFound) {
			continue
		}
		if err != nil {
			return IncidentDetail{}, err
		}
		d.Devices = append(d.Devices, tidyDevice(dev))
	}
	for _, id := range i.Events[:min(len(i.Events), shownEvents)] {
		e, err := s.Events.Event(ctx, id)
		if errors.Is(err, model.ErrNotFound) { // retention took it, or it is not yet stored
			continue
		}
		if err != nil {
			return IncidentDetail{}, err
		}
		d.Events = append(d.Events, e)
	}
	return d, nil
}

func (s *server) closeIncident(ctx context.Context, in *closeInput) (model.Incident, error) {
	i, err := s.Incidents.CloseIncident(ctx, in.ID, callerOf(ctx).by(), in.Body.Note)
	return tidyIncident(i), err
}

func convert[To, From ~string](list []From) []To {
	out := make([]To, len(list))
	for i, v := range list {
		out[i] = To(v)
	}
	return out
}
