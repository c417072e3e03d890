//! Recipients in the document: by type in requests, and as one object in answers.

use payout_core::payout::{Address, RecipientField, RecipientType};
use serde_json::{Value, json};
use utoipa::openapi::schema::{AdditionalProperties, AnyOfBuilder, OneOfBuilder, Schema};
use utoipa::openapi::{Discriminator, ObjectBuilder, Ref, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use super::constrained;
use super::described::{Component, ValueSchema};
use super::texts;

/// The name of an address's component.
const ADDRESS: &str = "Address";

/// Returns the schema of a recipient in a request: one of the types.
pub(crate) fn requested() -> ValueSchema {
    let mut components: Vec<Component> = vec![(ADDRESS.to_owned(), RefOr::T(address().into()))];
    let mut discriminator = Discriminator::new("type");
    let mut types = OneOfBuilder::new().description(Some(
        "The receiver of the money, by the type of the account. Spaces in numbers are taken out.",
    ));
    for kind in RecipientType::ALL {
        let name = component_name(*kind);
        types = types.item(Ref::from_schema_name(name));
        let reference = format!("#/components/schemas/{name}");
        discriminator.mapping.insert(kind.as_str().to_owned(), reference);
        components.push((name.to_owned(), RefOr::T(of_type(*kind).into())));
    }
    let types = types.discriminator(Some(discriminator)).build();
    components.push(("NewRecipient".to_owned(), RefOr::T(Schema::OneOf(types))));
    ValueSchema::components("NewRecipient", components)
}

fn component_name(kind: RecipientType) -> &'static str {
    match kind {
        RecipientType::Account => "AccountRecipient",
        RecipientType::Iban => "IbanRecipient",
        RecipientType::UsBank => "UsBankRecipient",
        RecipientType::GbBank => "GbBankRecipient",
        RecipientType::Email => "EmailRecipient",
        RecipientType::Phone => "PhoneRecipient",
        RecipientType::ProviderAccount => "ProviderAccountRecipient",
    }
}

fn of_type(kind: RecipientType) -> ObjectBuilder {
    let about = match kind {
        RecipientType::Account => "Any account, as a text that is not checked.",
        RecipientType::Iban => "An IBAN, checked by its country, its length and its check digits.",
        RecipientType::UsBank => "A bank account in the United States.",
        RecipientType::GbBank => "A bank account in the United Kingdom.",
        RecipientType::Email => "An e-mail address that stands for an account.",
        RecipientType::Phone => "A phone number that stands for an account.",
        RecipientType::ProviderAccount => "An account at the provider.",
    };
    let discriminator = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([kind.as_str()]));
    let mut object = closed(about)
        .property("type", discriminator)
        .required("type")
        .property("name", texts::name())
        .required("name");
    for field in kind.account_fields() {
        object = with(object, *field);
    }
    object = with(
        object,
        RecipientField {
            name: "entity",
            required: false,
        },
    );
    if kind != RecipientType::Email {
        object = with(
            object,
            RecipientField {
                name: "email",
                required: false,
            },
        );
    }
    object.property("address", Ref::from_schema_name(ADDRESS))
}

fn closed(about: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(about))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

fn with(object: ObjectBuilder, field: RecipientField) -> ObjectBuilder {
    let object = object.property(field.name, part(field.name));
    if field.required {
        object.required(field.name)
    } else {
        object
    }
}

fn address() -> ObjectBuilder {
    Address::FIELDS
        .into_iter()
        .fold(closed("A postal address."), with)
}

/// Returns the schema of one part of a recipient.
fn part(name: &str) -> ObjectBuilder {
    let text = |about: &str, pattern: Option<&str>, example: &str| {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(about))
            .pattern(pattern)
            .max_length(Some(128))
            .examples([json!(example)])
    };
    match name {
        "account" => texts::account(),
        "iban" => text(
            "The IBAN.",
            Some("^ *[A-Za-z]{2}[0-9]{2}[A-Za-z0-9 ]+$"),
            "DE89370400440532013000",
        ),
        "bic" => text(
            "The bank's BIC, in the country of the IBAN.",
            Some("^[A-Za-z0-9]{4}[A-Za-z]{2}[A-Za-z0-9]{2}([A-Za-z0-9]{3})?$"),
            "COBADEFFXXX",
        ),
        "routing_number" => text(
            "The ABA routing number, with its check digit.",
            Some("^[0-9 -]+$"),
            "021000021",
        ),
        "account_number" => text("The account number.", Some("^[0-9 -]+$"), "55779911"),
        "account_type" => word("The kind of the account.", &["checking", "savings"]),
        "sort_code" => text("The sort code.", Some("^[0-9 -]+$"), "200000"),
        "email" => text("An e-mail address.", Some("^[^@]+@[^@]+$"), "ada@example.com"),
        "phone" => text(
            "A phone number with its country code.",
            Some("^ *\\+[0-9 ().-]+$"),
            "+442079460000",
        ),
        "provider" => text(
            "The name of the provider, or its kind.",
            Some("^[a-z0-9][a-z0-9-]{0,39}$"),
            "stripe",
        ),
        "id" => text(
            "The id of the account there.",
            Some("^ *[!-~]+ *$"),
            "acct_1032D82eZvKYlo2C",
        ),
        "entity" => word("The legal form.", &["individual", "business"]),
        "country" => text(
            "A code of ISO 3166-1 with two letters.",
            Some("^ *[A-Za-z]{2} *$"),
            "GB",
        ),
        "line1" => text("Street and house number.", None, "12 St James's Square").min_length(Some(1)),
        "city" => text("The city.", None, "London").min_length(Some(1)),
        "postal_code" => text("The postal code.", None, "SW1Y 4JH").min_length(Some(1)),
        other => text(other, None, "Flat 3")
            .description(None::<&str>)
            .min_length(Some(1)),
    }
}

fn word(about: &str, words: &[&str]) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(about))
        .enum_values(Some(words.iter().copied()))
}

/// Adds the constraint of a body with one recipient: either the object, or the account and the name.
pub(crate) fn with_one(body: RefOr<Schema>) -> RefOr<Schema> {
    let flat = ObjectBuilder::new()
        .required("recipient_account")
        .required("recipient_name")
        .property("recipient", absent());
    of_forms(body, flat)
}

/// Adds the constraint of a body that may have a recipient in one of both forms.
pub(crate) fn with_one_at_most(body: RefOr<Schema>) -> RefOr<Schema> {
    of_forms(body, ObjectBuilder::new().property("recipient", absent()))
}

fn of_forms(body: RefOr<Schema>, flat: ObjectBuilder) -> RefOr<Schema> {
    let whole = ObjectBuilder::new()
        .required("recipient")
        .property("recipient_account", absent())
        .property("recipient_name", absent());
    let forms = AnyOfBuilder::new().item(whole).item(flat);
    RefOr::T(constrained(body, forms.build()))
}

/// Adds the constraint of a body that has a recipient in one of both forms, or the id of a stored one.
pub(crate) fn with_one_or_stored(body: RefOr<Schema>) -> RefOr<Schema> {
    let whole = ObjectBuilder::new()
        .required("recipient")
        .property("recipient_account", absent())
        .property("recipient_name", absent())
        .property("recipient_id", absent());
    let flat = ObjectBuilder::new()
        .required("recipient_account")
        .required("recipient_name")
        .property("recipient", absent())
        .property("recipient_id", absent());
    let stored = ObjectBuilder::new()
        .required("recipient_id")
        .property("recipient", absent())
        .property("recipient_account", absent())
        .property("recipient_name", absent());
    let forms = AnyOfBuilder::new().item(whole).item(flat).item(stored);
    RefOr::T(constrained(body, forms.build()))
}

/// A field that must be null is a field that must be absent.
fn absent() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Null)
}

/// The recipient in an answer.
pub(crate) struct ShownRecipient;

impl PartialSchema for ShownRecipient {
    fn schema() -> RefOr<Schema> {
        let kinds = RecipientType::ALL.iter().map(|kind| kind.as_str());
        let kind = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(kinds));
        let shown = || ObjectBuilder::new().schema_type(Type::String);
        let mut object = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(
                "The receiver of the money, by the type of the account. For a key without the scope `reveal`, accounts, \
                 names and e-mail addresses are masked, and an address has only its country.",
            ))
            .property("type", kind)
            .required("type")
            .property("name", shown())
            .required("name");
        let fields = RecipientType::ALL.iter().flat_map(|kind| kind.account_fields());
        for name in fields.map(|field| field.name).chain(["entity"]) {
            object = object.property(name, shown());
        }
        let address = Address::FIELDS.into_iter().fold(
            ObjectBuilder::new().schema_type(Type::Object),
            |address, field| address.property(field.name, shown()),
        );
        let object = object.property("address", address).examples([example()]);
        RefOr::T(object.build().into())
    }
}

impl ToSchema for ShownRecipient {
    fn name() -> std::borrow::Cow<'static, str> {
        "Recipient".into()
    }
}

/// Returns the recipient of the examples.
pub(crate) fn example() -> Value {
    json!({"type": "iban", "iban": "DE89370400440532013000", "name": "Ada Lovelace"})
}
