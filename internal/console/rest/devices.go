package rest

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/masugata/masugata/internal/model"
)

// DeviceList is a page of devices in the order of their IDs.
type DeviceList struct {
	Devices []model.Device `json:"devices"`
	Next    string         `json:"next"`
}

// DeviceDetail is a device with all that concerns it.
type DeviceDetail struct {
	Device    model.Device     `json:"device"`
	Part      *PartView        `json:"part,omitempty" doc:"The agent on it"`
	Incidents []model.Incident `json:"incidents" doc:"The last 20"`
	Actions   []model.Action   `json:"actions" doc:"The last 20"`
	Events    []*model.Event   `json:"events" doc:"The last 50"`
}

type devicesInput struct {
	Q      string `query:"q" maxLength:"200" doc:"Words to find in id, name, kind, addresses, vendor, host name and state"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Before string `query:"before" maxLength:"256" doc:"Cursor from the page before"`
}

type deviceInput struct {
	ID model.DeviceID `path:"id" maxLength:"64"`
}

type nameInput struct {
	ID   model.DeviceID `path:"id" maxLength:"64"`
	Body struct {
		Name *string `json:"name,omitempty" maxLength:"100" doc:"Empty goes back to what agent and gate call it"`
		Kind *string `json:"kind,omitempty" maxLength:"50" doc:"camera, recorder, tv, …"`
	}
}

func (s *server) registerDevices() {
	add(s, op{id: "list-devices", method: http.MethodGet, path: "/devices", tag: "devices", summary: "List devices"}, s.listDevices)
	add(s, op{id: "get-device", method: http.MethodGet, path: "/devices/{id}", tag: "devices", summary: "One device with its incidents, actions and events"}, s.getDevice)
	add(s, op{id: "name-device", method: http.MethodPatch, path: "/devices/{id}", tag: "devices", summary: "Name a device"}, s.nameDevice)
}

func (s *server) listDevices(ctx context.Context, in *devicesInput) (DeviceList, error) {
	list, next, err := s.Inventory.Devices(ctx, in.Q, model.Page{Limit: in.Limit, Before: in.Before})
	return DeviceList{Devices: tidyAll(list, tidyDevice), Next: next}, err
}

func (s *server) getDevice(ctx context.Context, in *deviceInput) (DeviceDetail, error) {
	dev, err := s.Inventory.Device(ctx, in.ID)
	if err != nil {
		return DeviceDetail{}, err
	}
	last := model.Page{Limit: 20}
	incidents, _, err := s.Cases.Incidents(ctx, model.IncidentFilter{Device: in.ID}, last)
	if err != nil {
		return DeviceDetail{}, err
	}
	actions, _, err := s.Cases.Actions(ctx, model.ActionFilter{Device: in.ID}, last)
	if err != nil {
		return DeviceDetail{}, err
	}
	events, _, err := s.Events.Search(ctx, "device:"+strconv.Quote(string(in.ID)), shownEvents, "")
	if err != nil {
		return DeviceDetail{}, err
	}
	d := DeviceDetail{
		Device: tidyDevice(dev), Incidents: tidyAll(incidents, tidyIncident),
		Actions: orEmpty(actions), Events: orEmpty(events),
	}
	if dev.Agent != "" {
		part, err := s.Inventory.Part(ctx, dev.Agent)
		if err != nil && !errors.Is(err, model.ErrNotFound) { // as after a backup was brought back
			return DeviceDetail{}, err
		}
		if err == nil {
			view := s.partView(part)
			d.Part = &view
		}
	}
	return d, nil
}

func (s *server) nameDevice(ctx context.Context, in *nameInput) (model.Device, error) {
	if in.Body.Name == nil && in.Body.Kind == nil {
		return model.Device{}, fieldProblem("body", nil, "give name, kind or both")
	}
	d, err := s.Inventory.NameDevice(ctx, in.ID, in.Body.Name, in.Body.Kind)
	if err == nil {
		s.Live.Device(&d)
	}
	return tidyDevice(d), err
}
