"""What a contract class may say, what it means, and that a mistake is named with its remedy."""

from __future__ import annotations

import pytest

from alur.contracts import (
    BooleanField,
    BronzeTable,
    DateField,
    DecimalField,
    DoubleField,
    Field,
    IntegerField,
    LongField,
    OnOverwrite,
    PartitionField,
    StringField,
    TimestampField,
    Transform,
    contract_of,
    ingestion_key_of,
)
from alur.errors import ContractError


def meta(**attributes):
    return type("Meta", (), {"source_path": "s3://landing/t/*.csv", "source_system": "test", **attributes})


def table(name="ThingsBronze", *, bases=(BronzeTable,), meta_attributes=None, **attributes):
    attributes = attributes or {"id": LongField()}
    return type(name, bases, {"Meta": meta(**(meta_attributes or {})), **attributes})


def refusal(name="ThingsBronze", **arguments) -> str:
    with pytest.raises(ContractError) as caught:
        table(name, **arguments)
    assert caught.value.contract == name
    return caught.value.rule


class AllTypesBronze(BronzeTable):
    zulu = StringField(nullable=False, description="text")
    alpha = IntegerField()
    long_number = LongField()
    ratio = DoubleField()
    flag = BooleanField()
    moment = TimestampField()
    day = DateField()
    amount = DecimalField(12, 2, nullable=False, description="money")

    class Meta:
        source_path = ["s3://landing/a/*.csv", "s3://landing/b/*.csv"]
        source_system = "sales_db"
        partition_by = ["moment", "bucket(16, long_number)"]
        description = "everything"
        on_overwrite = "append"
        null_values = ["NA", "-"]


def test_a_class_becomes_a_contract_with_its_fields_in_order():
    contract = AllTypesBronze.contract()
    assert contract.ingestion_key == "all_types"
    assert contract.class_name == "AllTypesBronze"
    assert contract.fields == (
        Field("zulu", "string", False, "text"),
        Field("alpha", "int", True, ""),
        Field("long_number", "bigint", True, ""),
        Field("ratio", "double", True, ""),
        Field("flag", "boolean", True, ""),
        Field("moment", "timestamp", True, ""),
        Field("day", "date", True, ""),
        Field("amount", "decimal(12,2)", False, "money"),
    )
    assert contract.column_names[:2] == ("zulu", "alpha")
    assert contract.source_paths == ("s3://landing/a/*.csv", "s3://landing/b/*.csv")
    assert contract.source_system == "sales_db"
    assert contract.description == "everything"
    assert contract.on_overwrite is OnOverwrite.APPEND
    assert contract.null_values == ("NA", "-")
    assert contract.partition_by == (
        PartitionField(Transform.DAYS, "moment"),
        PartitionField(Transform.BUCKET, "long_number", 16),
    )


def test_what_meta_does_not_say_has_a_default():
    contract = table().contract()
    assert contract.on_overwrite == "replace"
    assert contract.null_values == ()
    assert contract.partition_by == ()
    assert contract.description == ""


def test_a_column_may_be_called_contract():
    assert contract_of(table(contract=StringField())).column_names == ("contract",)


def test_one_declaration_may_stand_in_several_classes_and_columns():
    shared = StringField(nullable=False)
    assert table("AbBronze", a=shared, b=shared).contract().column_names == ("a", "b")
    assert table("CBronze", c=shared).contract().column_names == ("c",)


class TestInheritance:
    def test_a_base_without_source_path_is_abstract_and_hands_its_fields_on_first(self):
        class Audited(BronzeTable):
            created_at = TimestampField()
            updated_at = TimestampField()

        class ThingsBronze(Audited):
            id = LongField()

            class Meta:
                source_path = "s3://landing/t/*.csv"
                source_system = "test"

        assert ThingsBronze.contract().column_names == ("created_at", "updated_at", "id")
        with pytest.raises(ContractError, match="abstract base"):
            Audited.contract()

    def test_a_mixin_that_is_no_table_hands_its_fields_on_too(self):
        class Stamped:
            created_at = TimestampField()

        assert table(bases=(Stamped, BronzeTable)).contract().column_names == ("created_at", "id")

    def test_a_field_that_is_declared_again_keeps_its_place(self):
        base = table("BaseBronze", a=StringField(), b=StringField(), c=StringField())
        derived = table("DerivedBronze", bases=(base,), b=LongField(), d=StringField())
        assert [(field.name, field.spark_type) for field in derived.contract().fields] == [
            ("a", "string"),
            ("b", "bigint"),
            ("c", "string"),
            ("d", "string"),
        ]
        assert base.contract().fields[1].spark_type == "string"

    def test_of_meta_a_subclass_writes_only_what_differs(self):
        base = table("BaseBronze", meta_attributes={"null_values": ["NA"], "on_overwrite": "skip"})

        class DerivedBronze(base):
            class Meta:
                source_path = "s3://landing/derived/*.csv"
                on_overwrite = "append"

        contract = DerivedBronze.contract()
        assert contract.source_paths == ("s3://landing/derived/*.csv",)
        assert contract.source_system == "test"
        assert contract.null_values == ("NA",)
        assert contract.on_overwrite == "append"

    def test_a_meta_may_derive_from_another_meta(self):
        base = table("BaseBronze", meta_attributes={"null_values": ["NA"]})

        class DerivedBronze(base):
            class Meta(base.Meta):
                source_system = "other"

        assert DerivedBronze.contract().source_system == "other"
        assert DerivedBronze.contract().null_values == ("NA",)

    def test_a_subclass_without_meta_inherits_it_whole(self):
        base = table("BaseBronze")
        derived = type("DerivedBronze", (base,), {})
        assert derived.contract().ingestion_key == "derived"
        assert derived.contract().source_paths == base.contract().source_paths

    def test_an_abstract_base_needs_no_name_that_ends_in_bronze(self):
        assert type("Whatever", (BronzeTable,), {"id": LongField()}).__alur_contract__ is None

    def test_hiding_an_inherited_field_is_refused(self):
        base = table("BaseBronze")
        assert "hides an inherited field" in refusal("DerivedBronze", bases=(base,), id=None)


class TestNames:
    @pytest.mark.parametrize(
        ("class_name", "key"),
        [
            ("OrdersBronze", "orders"),
            ("OrderItemsBronze", "order_items"),
            ("HTTPLogsBronze", "http_logs"),
            ("S3LogsBronze", "s3_logs"),
            ("Orders2026Bronze", "orders2026"),
            ("Order_ItemsBronze", "order_items"),
            ("BronzeMedalsBronze", "bronze_medals"),
        ],
    )
    def test_the_ingestion_key_is_the_class_name_in_small_letters(self, class_name, key):
        assert ingestion_key_of(class_name) == key

    @pytest.mark.parametrize(
        ("class_name", "remedy"),
        [
            ("Orders", "ends in Bronze: OrdersBronze"),
            ("OrdersBronzes", "ends in Bronze"),
            ("Bronze", "ASCII letters"),
            ("AufträgeBronze", "ASCII letters"),
            ("Orders__RejectsBronze", "taken by the rejects"),
            ("X" * 201 + "Bronze", "1 to 200"),
        ],
    )
    def test_a_class_name_that_makes_no_table_name_is_refused(self, class_name, remedy):
        assert remedy in refusal(class_name)

    @pytest.mark.parametrize(
        ("name", "remedy"),
        [
            ("_id", "begin with _"),
            ("orderId", "as order_id"),
            ("Order Id", "as order_id"),
            ("größe", "a-z, digits and _ only"),
            ("x" * 256, "a-z, digits and _ only"),
        ],
    )
    def test_a_column_name_that_iceberg_or_alur_cannot_take_is_refused(self, name, remedy):
        assert remedy in refusal(**{name: StringField()})


class TestMistakesInFields:
    def test_a_table_without_fields_is_refused(self):
        assert "no fields" in refusal(_nothing=1)

    @pytest.mark.parametrize(
        ("value", "remedy"),
        [
            (StringField, "write StringField(), with brackets"),
            ((StringField(),), "remove the comma"),
            ("string", "is no field"),
            (3, "is no field"),
            (None, "is no field"),
        ],
    )
    def test_what_looks_like_a_field_and_is_none_is_refused(self, value, remedy):
        assert remedy in refusal(id=LongField(), amount=value)

    def test_a_field_that_is_only_annotated_is_refused(self):
        with pytest.raises(ContractError, match=r"amount: annotated and not assigned; write amount = StringField"):

            class ThingsBronze(BronzeTable):
                amount: DecimalField

    def test_behaviour_and_private_names_are_no_columns(self):
        made = table(id=LongField(), _version=3, helper=lambda self: 1, size=property(lambda self: 1))
        assert made.contract().column_names == ("id",)

    @pytest.mark.parametrize(
        ("field", "remedy"),
        [
            (StringField(nullable="no"), "write True or False"),
            (StringField(description=None), "write a text"),
            (DecimalField(0, 0), "write 1 to 38"),
            (DecimalField(39, 2), "write 1 to 38"),
            (DecimalField(5, 6), "write 0 to the precision, 5"),
            (DecimalField(5, -1), "write 0 to the precision, 5"),
            (DecimalField(5.0, 2), "whole numbers"),
            (DecimalField(True, 0), "whole numbers"),
            (DecimalField(5, 2, nullable=1), "write True or False"),
        ],
    )
    def test_a_declaration_that_makes_no_sense_is_refused_by_the_field_s_name(self, field, remedy):
        rule = refusal(amount=field)
        assert rule.startswith("field amount: ")
        assert remedy in rule


class TestMistakesInMeta:
    @pytest.mark.parametrize(
        ("attributes", "remedy"),
        [
            ({"source_paths": []}, "did you mean source_path?"),
            ({"onOverwrite": "skip"}, "did you mean on_overwrite?"),
            ({"partitioned_by": []}, "did you mean partition_by?"),
            ({"source_path": 3}, "write a list of texts"),
            ({"source_path": ["s3://a/b", 3]}, "write a list of texts"),
            ({"source_path": ["s3://a/b", "s3://a/b"]}, "twice"),
            ({"source_path": "landing/*.csv"}, "begins with s3://"),
            ({"source_path": "s3://${landing-bucket}/a.csv"}, "written ${LandingBucket}"),
            ({"source_system": ""}, "source_system is missing"),
            ({"source_system": None}, "write a text"),
            ({"description": 3}, "write a text"),
            ({"on_overwrite": "delete"}, "write one of replace, append, skip"),
            ({"null_values": "NA"}, "write a list of texts"),
            ({"null_values": [None]}, "write a list of texts"),
            ({"null_values": [""]}, "null already"),
            ({"partition_by": "id"}, "write a list of texts"),
        ],
    )
    def test_a_mistake_in_meta_is_refused_with_its_remedy(self, attributes, remedy):
        assert remedy in refusal(meta_attributes=attributes)

    def test_a_meta_that_is_no_class_is_refused(self):
        assert "write class Meta:" in refusal(id=LongField(), Meta={"source_path": "s3://a/b"})


class TestPartitions:
    FIELDS = {  # one of each type
        "s": StringField(),
        "i": IntegerField(),
        "l": LongField(),
        "f": DoubleField(),
        "b": BooleanField(),
        "t": TimestampField(),
        "d": DateField(),
        "m": DecimalField(9, 2),
    }

    @pytest.mark.parametrize(
        ("text", "partition", "sql"),
        [
            ("t", PartitionField(Transform.DAYS, "t"), "days(`t`)"),
            ("d", PartitionField(Transform.IDENTITY, "d"), "`d`"),
            ("s", PartitionField(Transform.IDENTITY, "s"), "`s`"),
            ("identity(t)", PartitionField(Transform.IDENTITY, "t"), "`t`"),
            ("years(d)", PartitionField(Transform.YEARS, "d"), "years(`d`)"),
            ("months(t)", PartitionField(Transform.MONTHS, "t"), "months(`t`)"),
            ("hours(t)", PartitionField(Transform.HOURS, "t"), "hours(`t`)"),
            (" bucket( 16 ,  l ) ", PartitionField(Transform.BUCKET, "l", 16), "bucket(16, `l`)"),
            ("truncate(4,s)", PartitionField(Transform.TRUNCATE, "s", 4), "truncate(4, `s`)"),
            ("truncate(10, m)", PartitionField(Transform.TRUNCATE, "m", 10), "truncate(10, `m`)"),
        ],
    )
    def test_a_text_is_read_as_a_transform(self, text, partition, sql):
        (found,) = table(meta_attributes={"partition_by": [text]}, **self.FIELDS).contract().partition_by
        assert found == partition
        assert found.sql == sql

    @pytest.mark.parametrize(
        ("texts", "remedy"),
        [
            (["x"], "names no field; the fields are s, i, l, f, b, t, d, m"),
            (["days(x)"], "names no field"),
            (["weeks(t)"], "no transform weeks"),
            (["days(t"], "means nothing"),
            (["t)"], "means nothing"),
            ([""], "means nothing"),
            (["days(t) desc"], "means nothing"),
            (["bucket(l)"], "as in bucket(16, l)"),
            (["bucket(0, l)"], "as in bucket(16, l)"),
            (["bucket(99999999999, l)"], "as in bucket(16, l)"),
            (["days(3, t)"], "write days(t)"),
            (["hours(d)"], "cannot be taken of date"),
            (["days(s)"], "only of date, timestamp"),
            (["bucket(4, f)"], "cannot be taken of double"),
            (["truncate(4, b)"], "cannot be taken of boolean"),
            (["days(t)", "t"], "'t' and 'days(t)' say the same"),
            (["hours(t)", "months(t)"], "say the same"),
            (["s", "identity(s)"], "say the same"),
        ],
    )
    def test_a_text_that_iceberg_would_refuse_is_refused_first(self, texts, remedy):
        assert remedy in refusal(meta_attributes={"partition_by": texts}, **self.FIELDS)

    def test_two_transforms_of_one_column_that_differ_in_kind_stand_together(self):
        made = table(
            meta_attributes={"partition_by": ["bucket(4, t)", "days(t)", "truncate(2, s)", "s"]}, **self.FIELDS
        )
        assert len(made.contract().partition_by) == 4


class TestFingerprint:
    BASE = {"a": StringField(), "b": LongField()}

    def fingerprint(self, meta_attributes=None, **fields):
        return table(meta_attributes=meta_attributes, **(fields or self.BASE)).contract().fingerprint

    def test_it_is_the_same_in_every_process_and_release(self):
        # The start of the SHA-256 of {"fields":[["a","string",true],["b","bigint",true]],"null_values":[]}
        assert self.fingerprint() == "49695b9facfcdd22"

    @pytest.mark.parametrize(
        "meta_attributes",
        [
            {"description": "other"},
            {"source_path": "s3://elsewhere/*.csv"},
            {"source_system": "other"},
            {"on_overwrite": "skip"},
            {"partition_by": ["a"]},
        ],
    )
    def test_what_does_not_change_how_a_file_is_read_does_not_change_it(self, meta_attributes):
        assert self.fingerprint(meta_attributes) == self.fingerprint()

    def test_a_field_s_description_does_not_change_it(self):
        assert self.fingerprint(a=StringField(description="other"), b=LongField()) == self.fingerprint()

    @pytest.mark.parametrize(
        "fields",
        [
            {"a": StringField()},
            {"b": LongField(), "a": StringField()},
            {"a": StringField(), "b": IntegerField()},
            {"a": StringField(nullable=False), "b": LongField()},
            {"a": StringField(), "c": LongField()},
            {"a": StringField(), "b": DecimalField(9, 2)},
            {"a": StringField(), "b": DecimalField(9, 3)},
        ],
    )
    def test_another_field_type_order_or_nullability_changes_it(self, fields):
        assert self.fingerprint(**fields) != self.fingerprint()

    def test_null_values_change_it_and_their_order_does_not(self):
        assert self.fingerprint({"null_values": ["NA"]}) != self.fingerprint()
        assert self.fingerprint({"null_values": ["NA", "-"]}) == self.fingerprint({"null_values": ["-", "NA"]})
