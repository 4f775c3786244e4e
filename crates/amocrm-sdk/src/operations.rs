//! Every operation the SDK has, so that coverage can be counted.

use std::collections::BTreeMap;

use crate::request::{Declared, Operation};

/// Collects the operations of the given types.
macro_rules! declared {
    ($($handle:ty),+ $(,)?) => {
        [$(<$handle as Declared>::OPERATIONS),+].concat()
    };
}

/// Every operation of the SDK, ordered by name, each once: what appears in logs, metrics and errors as
/// [`Operation::name`], and in the table `docs/coverage.md`.
///
/// ```
/// let names: Vec<&str> = amocrm_sdk::operations().iter().map(|operation| operation.name).collect();
/// assert!(names.contains(&"leads.create"));
/// ```
pub fn operations() -> Vec<Operation> {
    let all = declared![
        crate::account::Accounts,
        crate::bots::Bots,
        crate::bots::ResumeBot,
        crate::bots::RunBot,
        crate::bots::StopBot,
        crate::calls::CallPopup,
        crate::calls::CreateCalls,
        crate::catalogs::CatalogElements,
        crate::catalogs::Catalogs,
        crate::catalogs::Products,
        crate::chat_templates::ChatTemplates,
        crate::chat_templates::DeleteChatTemplates,
        crate::chat_templates::SendOnReview,
        crate::chat_templates::UpdateReview,
        crate::chats::ChatChannel,
        crate::companies::Companies,
        crate::contacts::ContactChat,
        crate::contacts::ContactChats,
        crate::contacts::Contacts,
        crate::currencies::Currencies,
        crate::custom_fields::CustomFieldGroups,
        crate::custom_fields::CustomFields,
        crate::customers::BonusPoints,
        crate::customers::CreateSegment,
        crate::customers::CustomerStatuses,
        crate::customers::CustomerTransactions,
        crate::customers::Customers,
        crate::customers::Segments,
        crate::customers::SetCustomersMode,
        crate::customers::Transactions,
        crate::events::EventTypes,
        crate::events::Events,
        crate::files::EntityFiles,
        crate::files::Files,
        crate::leads::CreateComplex,
        crate::leads::Leads,
        crate::links::Links,
        crate::loss_reasons::LossReasons,
        crate::notes::Notes,
        crate::notes::PinNote,
        crate::notes::UnpinNote,
        crate::pipelines::Pipelines,
        crate::pipelines::Statuses,
        crate::roles::Roles,
        crate::short_links::ShortLinks,
        crate::sources::DeleteSources,
        crate::sources::Sources,
        crate::subscriptions::Subscriptions,
        crate::tags::Tags,
        crate::talks::CloseTalk,
        crate::talks::Talks,
        crate::tasks::Tasks,
        crate::unsorted::AcceptUnsorted,
        crate::unsorted::CreateUnsorted<crate::leads::FormMetadata>,
        crate::unsorted::DeclineUnsorted,
        crate::unsorted::LinkUnsorted,
        crate::unsorted::Summarize,
        crate::unsorted::UnsortedLeads,
        crate::users::SwitchUsers,
        crate::users::Users,
        crate::webhooks::Webhooks,
        crate::website_buttons::AddOnlineChat,
        crate::website_buttons::CreateWebsiteButton,
        crate::website_buttons::UpdateWebsiteButton,
        crate::website_buttons::WebsiteButtons,
        crate::widgets::InstallWidget,
        crate::widgets::Widget,
        crate::widgets::Widgets,
    ];
    let by_name: BTreeMap<&str, Operation> = all
        .into_iter()
        .map(|operation| (operation.name, operation))
        .collect();
    by_name.into_values().collect()
}
