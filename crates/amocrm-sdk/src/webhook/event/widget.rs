//! Actions of widgets in the digital pipeline.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Action, brief_debug};
use crate::webhook::Tree;
use crate::webhook::fields::{id, number, text, time};
use crate::{PipelineId, StatusId};

/// The digital pipeline has called an integration's own action.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WidgetEvent {
    /// What set the action off: `lead_added`, `lead_status_changed`, `lead_appeared_in_status`, `mail_in`…
    pub action: Action,
    /// The same as a number: 1, 14, 15, 16…
    pub event_type: Option<u32>,
    /// The entity.
    pub element_id: u64,
    /// Its type: 1 contact, 2 lead, 3 company, 12 customer.
    pub element_type: Option<u32>,
    /// Status of the lead.
    pub status_id: Option<StatusId>,
    /// Pipeline of the lead.
    pub pipeline_id: Option<PipelineId>,
    /// Which way the lead has moved.
    pub direction_of_movement: Option<String>,
    /// When.
    pub time: Option<DateTime<Utc>>,
    /// What the user has set in the widget's dialogue.
    pub settings: Option<Tree>,
    /// All that came.
    #[serde(skip)]
    pub raw: Tree,
}

brief_debug!(WidgetEvent: action, element_id, element_type, status_id, pipeline_id, time);

/// Path of the id, for errors.
pub(in crate::webhook) const WIDGET_ID_KEY: &str = "event[data][id]";

impl WidgetEvent {
    /// Reads the body's top level.
    pub(in crate::webhook) fn from_root(root: &Tree) -> Option<Self> {
        let event = root.get("event")?;
        let data = event.get("data")?;
        Some(Self {
            action: text(event, "type_code").unwrap_or_default().into(),
            event_type: number(event, "type"),
            element_id: number(data, "id").filter(|id| *id != 0)?,
            element_type: number(data, "element_type"),
            status_id: id(data, "status_id"),
            pipeline_id: id(data, "pipeline_id"),
            direction_of_movement: text(data, "direction_of_movement"),
            time: time(event, &["time"]),
            settings: root
                .at(["action", "settings", "widget", "settings"])
                .cloned(),
            raw: root.clone(),
        })
    }
}
