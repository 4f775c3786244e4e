//! Pipelines and their stages.

use serde::{Deserialize, Serialize};

use super::Account;

/// Successfully closed; the same id in every pipeline.
pub(crate) const STATUS_WON: u64 = 142;
/// Closed and not realised; the same id in every pipeline.
pub(crate) const STATUS_LOST: u64 = 143;

const SORT_UNSORTED: i64 = 10;
const SORT_WON: i64 = 10_000;
const SORT_LOST: i64 = 11_000;

/// A pipeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pipeline {
    /// Its id.
    pub(crate) id: u64,
    /// Its name.
    pub(crate) name: String,
    /// Order in the interface.
    pub(crate) sort: i64,
    /// Where leads without a pipeline go; exactly one in an account.
    pub(crate) is_main: bool,
    /// Whether incoming leads wait in the unsorted stage.
    pub(crate) is_unsorted_on: bool,
    /// Put away.
    pub(crate) is_archive: bool,
    /// Stages in order: unsorted, own ones, 142, 143.
    pub(crate) statuses: Vec<Status>,
}

/// A stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Its id; 142 and 143 are in every pipeline.
    pub(crate) id: u64,
    /// Its name.
    pub(crate) name: String,
    /// Order in the pipeline.
    pub(crate) sort: i64,
    /// Whether a person may change it.
    pub(crate) is_editable: bool,
    /// `#rrggbb`.
    pub(crate) color: String,
    /// 1 for the unsorted stage, otherwise 0.
    pub(crate) kind: u8,
    /// Hints for managers, at most one per level.
    pub(crate) descriptions: Vec<Description>,
}

/// A hint of a stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Description {
    /// Its id.
    pub(crate) id: u64,
    /// `newbie`, `candidate` or `master`.
    pub(crate) level: String,
    /// The text.
    pub(crate) text: String,
    /// Unix seconds.
    pub(crate) created_at: i64,
    /// Unix seconds.
    pub(crate) updated_at: i64,
}

impl Pipeline {
    /// The stages every pipeline has: unsorted (with the id given), won and lost.
    pub(crate) fn system_statuses(unsorted_id: u64) -> Vec<Status> {
        let system = |id, name: &str, sort, color: &str, kind| Status {
            id,
            name: name.to_owned(),
            sort,
            is_editable: false,
            color: color.to_owned(),
            kind,
            descriptions: Vec::new(),
        };
        vec![
            system(unsorted_id, "Неразобранное", SORT_UNSORTED, "#c1c1c1", 1),
            system(STATUS_WON, "Успешно реализовано", SORT_WON, "#CCFF66", 0),
            system(
                STATUS_LOST,
                "Закрыто и не реализовано",
                SORT_LOST,
                "#D5D8DB",
                0,
            ),
        ]
    }

    /// Puts the stages in order and gives the own ones 20, 30, …, as amoCRM does whatever was sent.
    pub(crate) fn normalise(&mut self) {
        self.statuses
            .sort_by_key(|status| match (status.kind, status.id) {
                (1, _) => (0, 0),
                (_, STATUS_WON) => (2, 0),
                (_, STATUS_LOST) => (3, 0),
                _ => (1, status.sort),
            });
        let mut sort = SORT_UNSORTED;
        for status in self.statuses.iter_mut().filter(|status| status.is_own()) {
            sort += 10;
            status.sort = sort;
        }
    }

    /// The stage with this id.
    pub(crate) fn status(&self, id: u64) -> Option<&Status> {
        self.statuses.iter().find(|status| status.id == id)
    }

    /// The first stage a lead can be in by itself.
    pub(crate) fn first_stage(&self) -> u64 {
        self.statuses
            .iter()
            .find(|status| status.kind == 0)
            .map_or(STATUS_WON, |status| status.id)
    }

    /// The stage for incoming leads.
    pub(crate) fn unsorted_stage(&self) -> Option<u64> {
        self.statuses
            .iter()
            .find(|status| status.kind == 1)
            .map(|status| status.id)
    }
}

impl Status {
    /// Neither unsorted nor one of the closing stages.
    pub(crate) fn is_own(&self) -> bool {
        self.kind == 0 && !is_closing(self.id)
    }
}

/// Whether a lead in this stage is closed.
pub(crate) fn is_closing(status_id: u64) -> bool {
    matches!(status_id, STATUS_WON | STATUS_LOST)
}

impl Account {
    /// The pipeline with this id.
    pub(crate) fn pipeline(&self, id: u64) -> Option<&Pipeline> {
        self.pipelines.iter().find(|pipeline| pipeline.id == id)
    }

    /// The pipeline with this id, to change.
    pub(crate) fn pipeline_mut(&mut self, id: u64) -> Option<&mut Pipeline> {
        self.pipelines.iter_mut().find(|pipeline| pipeline.id == id)
    }

    /// The main pipeline; an account always has one.
    pub(crate) fn main_pipeline(&self) -> Option<&Pipeline> {
        self.pipelines
            .iter()
            .find(|pipeline| pipeline.is_main)
            .or_else(|| self.pipelines.first())
    }

    /// Makes one pipeline the main one.
    pub(crate) fn set_main_pipeline(&mut self, id: u64) {
        for pipeline in &mut self.pipelines {
            pipeline.is_main = pipeline.id == id;
        }
        self.pipelines
            .sort_by_key(|pipeline| (!pipeline.is_main, pipeline.sort, pipeline.id));
        for (sort, pipeline) in (1..).zip(&mut self.pipelines) {
            pipeline.sort = sort;
        }
    }
}
