//! What may happen.

use crate::de::open_enum;
use crate::id::CustomFieldId;

const FIELD_PREFIX: &str = "custom_field_";
const FIELD_SUFFIX: &str = "_value_changed";

open_enum! {
    /// What happened.
    ///
    /// The second half, from letters on, is not documented but has been seen in accounts. Each custom field has a type
    /// of its own besides, which is kept as [`Unknown`](Self::Unknown): [`EventType::field_changed`] makes it,
    /// [`EventType::changed_field`] reads it.
    ///
    /// ```
    /// use amocrm_sdk::CustomFieldId;
    /// use amocrm_sdk::events::EventType;
    ///
    /// let budget = EventType::field_changed(CustomFieldId::new(777));
    /// assert_eq!(budget.as_str(), "custom_field_777_value_changed");
    /// assert_eq!(budget.changed_field(), Some(CustomFieldId::new(777)));
    /// assert_eq!(EventType::LeadAdded.changed_field(), None);
    /// ```
    pub enum EventType {
        /// A lead was added.
        LeadAdded = "lead_added",
        /// A lead was deleted.
        LeadDeleted = "lead_deleted",
        /// A lead was restored.
        LeadRestored = "lead_restored",
        /// A lead moved to another status.
        LeadStatusChanged = "lead_status_changed",
        /// A lead was linked.
        LeadLinked = "lead_linked",
        /// A lead was unlinked.
        LeadUnlinked = "lead_unlinked",
        /// A contact was added.
        ContactAdded = "contact_added",
        /// A contact was deleted.
        ContactDeleted = "contact_deleted",
        /// A contact was restored.
        ContactRestored = "contact_restored",
        /// A contact was linked.
        ContactLinked = "contact_linked",
        /// A contact was unlinked.
        ContactUnlinked = "contact_unlinked",
        /// A company was added.
        CompanyAdded = "company_added",
        /// A company was deleted.
        CompanyDeleted = "company_deleted",
        /// A company was restored.
        CompanyRestored = "company_restored",
        /// A company was linked.
        CompanyLinked = "company_linked",
        /// A company was unlinked.
        CompanyUnlinked = "company_unlinked",
        /// A customer was added.
        CustomerAdded = "customer_added",
        /// A customer was deleted.
        CustomerDeleted = "customer_deleted",
        /// A customer moved to another status.
        CustomerStatusChanged = "customer_status_changed",
        /// A customer was linked.
        CustomerLinked = "customer_linked",
        /// A customer was unlinked.
        CustomerUnlinked = "customer_unlinked",
        /// A task was added.
        TaskAdded = "task_added",
        /// A task was deleted.
        TaskDeleted = "task_deleted",
        /// A task was completed.
        TaskCompleted = "task_completed",
        /// The type of a task was changed.
        TaskTypeChanged = "task_type_changed",
        /// The text of a task was changed.
        TaskTextChanged = "task_text_changed",
        /// The deadline of a task was changed.
        TaskDeadlineChanged = "task_deadline_changed",
        /// A task got a result.
        TaskResultAdded = "task_result_added",
        /// Somebody called.
        IncomingCall = "incoming_call",
        /// Somebody was called.
        OutgoingCall = "outgoing_call",
        /// A message came in a chat.
        IncomingChatMessage = "incoming_chat_message",
        /// A message was sent in a chat.
        OutgoingChatMessage = "outgoing_chat_message",
        /// Users wrote to each other on a card.
        EntityDirectMessage = "entity_direct_message",
        /// An SMS came.
        IncomingSms = "incoming_sms",
        /// An SMS was sent.
        OutgoingSms = "outgoing_sms",
        /// Tags were added.
        EntityTagAdded = "entity_tag_added",
        /// Tags were removed.
        EntityTagDeleted = "entity_tag_deleted",
        /// Entities were linked.
        EntityLinked = "entity_linked",
        /// Entities were unlinked.
        EntityUnlinked = "entity_unlinked",
        /// The budget was changed.
        SaleFieldChanged = "sale_field_changed",
        /// The name was changed.
        NameFieldChanged = "name_field_changed",
        /// The sum of purchases was changed.
        LtvFieldChanged = "ltv_field_changed",
        /// A custom field was changed.
        CustomFieldValueChanged = "custom_field_value_changed",
        /// The responsible user was changed.
        EntityResponsibleChanged = "entity_responsible_changed",
        /// A bot answered.
        RobotReplied = "robot_replied",
        /// A bot understood what is wanted.
        IntentIdentified = "intent_identified",
        /// A rating was given.
        NpsRateAdded = "nps_rate_added",
        /// A note was added.
        CommonNoteAdded = "common_note_added",
        /// A note was deleted.
        CommonNoteDeleted = "common_note_deleted",
        /// A file was added.
        AttachmentNoteAdded = "attachment_note_added",
        /// A note of joining an advertising campaign was added.
        TargetingInNoteAdded = "targeting_in_note_added",
        /// A note of leaving an advertising campaign was added.
        TargetingOutNoteAdded = "targeting_out_note_added",
        /// A place was added.
        GeoNoteAdded = "geo_note_added",
        /// A text of an integration was added.
        ServiceNoteAdded = "service_note_added",
        /// The site was visited.
        SiteVisitNoteAdded = "site_visit_note_added",
        /// A message of a cash register was added.
        MessageToCashierNoteAdded = "message_to_cashier_note_added",
        /// A short link was opened.
        LinkFollowed = "link_followed",
        /// A purchase was added.
        TransactionAdded = "transaction_added",
        /// A key action was done.
        KeyActionCompleted = "key_action_completed",
        /// Entities were merged.
        EntityMerged = "entity_merged",
        /// A letter came.
        IncomingMail = "incoming_mail",
        /// A letter was sent.
        OutgoingMail = "outgoing_mail",
        /// A segment was attached.
        EntitySegmentAttached = "entity_segment_attached",
        /// A segment was detached.
        EntitySegmentDetached = "entity_segment_detached",
        /// A segment was made.
        SegmentCreated = "segment_created",
        /// A video was opened.
        VideoOpened = "video_opened",
        /// A video was closed.
        VideoClosed = "video_closed",
        /// A picture was opened.
        PictureOpened = "picture_opened",
        /// A picture was closed.
        PictureClosed = "picture_closed",
        /// A meeting in Zoom.
        ZoomConference = "zoom_conference",
        /// amoCRM's AI found something.
        AiResult = "ai_result",
        /// A talk began.
        TalkCreated = "talk_created",
        /// A talk was closed.
        TalkClosed = "talk_closed",
        /// A talk was missed.
        TalkMissedEvent = "talk_missed_event",
        /// A conversation was answered.
        ConversationAnswered = "conversation_answered",
        /// A subscription to a Meta chat was added.
        MetaChatSubscriptionAdded = "meta_chat_subscription_added",
        /// A subscription to a Meta chat was removed.
        MetaChatSubscriptionRemoved = "meta_chat_subscription_removed",
        /// An invoice was paid.
        InvoicePaid = "invoice_paid",
        /// An invoice was made.
        InvoiceCreated = "invoice_created",
        /// A page was mentioned.
        PageMention = "page_mention",
        /// A file in Dropbox was attached.
        DropboxAttachment = "dropbox_attachment",
    }
}

impl EventType {
    /// This custom field was changed.
    pub fn field_changed(field: CustomFieldId) -> Self {
        Self::Unknown(format!("{FIELD_PREFIX}{field}{FIELD_SUFFIX}"))
    }

    /// The custom field that was changed, if this is the type of one.
    pub fn changed_field(&self) -> Option<CustomFieldId> {
        let word = self.as_str().strip_prefix(FIELD_PREFIX)?;
        word.strip_suffix(FIELD_SUFFIX)?.parse().ok()
    }
}
