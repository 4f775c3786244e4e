//! Codes of events a webhook can subscribe to.

crate::de::open_enum! {
    /// An event to subscribe to: an entry of a webhook's `settings`.
    ///
    /// ```
    /// use amocrm_sdk::webhook::WebhookEvent;
    ///
    /// assert_eq!(WebhookEvent::StatusLead.to_string(), "status_lead");
    /// assert_eq!(WebhookEvent::from("add_lead"), WebhookEvent::AddLead);
    /// assert_eq!(WebhookEvent::from("add_rocket"), WebhookEvent::Unknown("add_rocket".into()));
    /// ```
    pub enum WebhookEvent {
        /// A lead was added.
        AddLead = "add_lead",
        /// A lead was edited.
        UpdateLead = "update_lead",
        /// A lead was deleted.
        DeleteLead = "delete_lead",
        /// A lead was restored from the trash.
        RestoreLead = "restore_lead",
        /// A lead's responsible user has changed.
        ResponsibleLead = "responsible_lead",
        /// A lead has moved to another status.
        StatusLead = "status_lead",
        /// A note was added to a lead.
        NoteLead = "note_lead",
        /// A contact was added.
        AddContact = "add_contact",
        /// A contact was edited.
        UpdateContact = "update_contact",
        /// A contact was deleted.
        DeleteContact = "delete_contact",
        /// A contact was restored from the trash.
        RestoreContact = "restore_contact",
        /// A contact's responsible user has changed.
        ResponsibleContact = "responsible_contact",
        /// A note was added to a contact.
        NoteContact = "note_contact",
        /// A company was added.
        AddCompany = "add_company",
        /// A company was edited.
        UpdateCompany = "update_company",
        /// A company was deleted.
        DeleteCompany = "delete_company",
        /// A company was restored from the trash.
        RestoreCompany = "restore_company",
        /// A company's responsible user has changed.
        ResponsibleCompany = "responsible_company",
        /// A note was added to a company.
        NoteCompany = "note_company",
        /// A customer was added.
        AddCustomer = "add_customer",
        /// A customer was edited.
        UpdateCustomer = "update_customer",
        /// A customer was deleted.
        DeleteCustomer = "delete_customer",
        /// A customer's responsible user has changed.
        ResponsibleCustomer = "responsible_customer",
        /// A note was added to a customer.
        NoteCustomer = "note_customer",
        /// A task was added.
        AddTask = "add_task",
        /// A task was edited.
        UpdateTask = "update_task",
        /// A task was deleted.
        DeleteTask = "delete_task",
        /// A task's responsible user has changed.
        ResponsibleTask = "responsible_task",
        /// A talk was started.
        AddTalk = "add_talk",
        /// A talk was edited, answered or closed.
        UpdateTalk = "update_talk",
        /// A WhatsApp template was sent for review.
        AddChatTemplateReview = "add_chat_template_review",
        /// A message came in.
        AddMessage = "add_message",
        /// A message went out. Seen in 2026; not in every account.
        AddOutgoingMessage = "add_outgoing_message",
        /// An incoming lead came into "unsorted". The code is seen in the wild, not documented.
        AddUnsorted = "add_unsorted",
        /// An incoming lead was edited. The code is seen in the wild, not documented.
        UpdateUnsorted = "update_unsorted",
        /// An incoming lead was accepted or declined. The code is seen in the wild, not documented.
        DeleteUnsorted = "delete_unsorted",
    }
}
