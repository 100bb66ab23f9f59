from __future__ import annotations

import json
import sys
import uuid

import pytest

from alur.aws.clients import client
from alur.contracts import overlaps
from alur.errors import CatalogError
from catalog_support import create_iceberg_table
from project_support import call, forget_project, make_project, table
from stack_support import create_stack, write_samconfig

GOOD = {
    "contracts/orders.py": table("Orders", "s3://${LandingBucket}/orders/**/*.csv"),
    "contracts/returns.py": table("Returns", "s3://${LandingBucket}/returns/*.csv", more='trigger = "run"'),
    "pipelines/returns.py": """
        from alur import pipeline
        from contracts.returns import ReturnsBronze


        @pipeline(sources={}, target=ReturnsBronze)
        def ingest_returns():
            raise AssertionError("nothing is run")
    """,
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("ALUR_LANDING_BUCKET", raising=False)

    def make(files):
        return make_project(tmp_path, monkeypatch, files)

    yield make
    forget_project()


def findings(*arguments):
    """What validate found, and its exit code."""
    answer = call("validate", "--json", *arguments)
    return answer.exit_code, [
        (one["level"], one["where"], one["problem"]) for one in json.loads(answer.stdout)["findings"]
    ]


def only(*arguments):
    """The one thing that validate found, with its exit code."""
    code, found = findings(*arguments)
    assert len(found) == 1, found
    return code, *found[0]


def test_a_project_without_mistakes_has_no_findings(project):
    project(GOOD)
    answer = call("validate")
    assert (answer.exit_code, answer.stdout) == (0, "2 tables, 1 pipelines: 0 errors, 0 warnings\n")


class TestEveryMistakeIsNamed:
    def test_each_broken_module_by_its_own_rule_and_the_others_are_still_examined(self, project):
        project(
            {
                **GOOD,
                "contracts/a.py": table("A", "s3://${LandingBucket}/a/*.csv", more='on_overwrite = "relpace"'),
                "contracts/b.py": "import nothing_of_this_name\n",
                "contracts/c.py": "class Odd(:\n",
                "contracts/deep/d.py": table("D", "orders/*.csv"),
            }
        )
        code, found = findings()
        assert code == 1
        assert [(level, where) for level, where, _ in found] == [
            ("error", "contracts.a"),
            ("error", "contracts.b"),
            ("error", "contracts.c"),
            ("error", "contracts.deep.d"),
        ]
        problems = [problem for _, _, problem in found]
        assert "Meta.on_overwrite is 'relpace'" in problems[0]
        assert "nothing_of_this_name" in problems[1]
        assert "SyntaxError" in problems[2]
        assert "s3://" in problems[3]

    def test_an_error_is_named_once_although_others_import_its_module(self, project):
        project({**GOOD, "contracts/returns.py": "1/0\n"})
        code, level, where, problem = only()
        assert (code, level, where) == (1, "error", "contracts.returns")
        assert "ZeroDivisionError" in problem

    def test_a_contract_that_needs_spark_because_lambda_has_none(self, project, monkeypatch):
        for name in list(sys.modules):
            if name.partition(".")[0] == "pyspark":
                monkeypatch.delitem(sys.modules, name)
        project({**GOOD, "contracts/spark.py": "from pyspark.sql import functions\n"})
        code, level, where, problem = only()
        assert (code, level, where) == (1, "error", "contracts.spark")
        assert "Lambda" in problem

    def test_a_pipeline_that_needs_spark_is_not_to_blame_where_there_is_none(self, project):
        project({**GOOD, "pipelines/spark.py": "raise ModuleNotFoundError('no', name='pyspark.sql')\n"})
        code, level, where, _ = only()
        assert (code, level, where) == (0, "warning", "pipelines.spark")

    def test_two_tables_of_one_name(self, project):
        project({**GOOD, "contracts/zebra.py": table("Orders", "s3://${LandingBucket}/zebra/*.csv")})
        code, level, where, problem = only()
        assert (code, level, where) == (1, "error", "contracts.zebra.OrdersBronze")
        assert "contracts.orders.OrdersBronze" in problem

    def test_a_variable_that_no_environment_has_a_value_for(self, project):
        project({**GOOD, "contracts/orders.py": table("Orders", "s3://${Landing}/orders/*.csv")})
        code, level, where, problem = only()
        assert (code, level, where) == (1, "error", "contracts.orders.OrdersBronze")
        assert "${Landing}" in problem
        assert "${LandingBucket}" in problem

    def test_a_pipeline_whose_target_is_no_table_of_the_contracts(self, project):
        project(
            {
                **GOOD,
                "pipelines/own.py": """
                    from alur import pipeline
                    from alur.contracts import BronzeTable, LongField


                    class OwnBronze(BronzeTable):
                        id = LongField()

                        class Meta:
                            source_path = "s3://${LandingBucket}/own/*.csv"
                            source_system = "shop"


                    @pipeline(sources={}, target=OwnBronze)
                    def ingest_own():
                        pass
                """,
            }
        )
        code, level, where, problem = only()
        assert (code, level, where) == (1, "error", "pipelines.own.ingest_own")
        assert "pipelines.own.OwnBronze" in problem

    def test_two_pipelines_on_the_events_of_one_table(self, project):
        source = """
            from alur import pipeline
            from contracts.orders import OrdersBronze


            @pipeline(sources={{}}, target=OrdersBronze, on_event=True)
            def {name}():
                pass
        """
        project({**GOOD, "pipelines/a.py": source.format(name="a"), "pipelines/b.py": source.format(name="b")})
        code, level, where, problem = only()
        assert (code, level, where) == (1, "error", "pipelines.b.b")
        assert "pipelines.a.a" in problem

    def test_a_pipeline_of_which_nothing_is_left_but_its_error(self, project):
        source = "from alur import pipeline\n\n\n@pipeline(sources={}, target=int)\ndef a():\n    pass\n"
        project({**GOOD, "pipelines/a.py": source})
        code, level, where, problem = only()
        assert (code, level, where) == (1, "error", "pipelines.a")
        assert "BronzeTable" in problem


class TestWarningsDoNotFail:
    def test_nothing_takes_in_a_table(self, project):
        project({name: source for name, source in GOOD.items() if not name.startswith("pipelines/")})
        code, level, where, problem = only()
        assert (code, level, where) == (0, "warning", "contracts.returns.ReturnsBronze")
        assert "src/pipelines/" in problem

    def test_an_event_pipeline_of_a_table_that_hears_of_no_event(self, project):
        on_event = GOOD["pipelines/returns.py"].replace("target=ReturnsBronze", "target=ReturnsBronze, on_event=True")
        project({**GOOD, "pipelines/returns.py": on_event})
        code, level, where, _ = only()
        assert (code, level, where) == (0, "warning", "pipelines.returns.ingest_returns")

    def test_two_tables_share_keys_and_one_such_key_is_shown(self, project):
        project({**GOOD, "contracts/late.py": table("Late", "s3://${LandingBucket}/**/late_[0-9].csv")})
        code, found = findings()
        assert code == 0
        assert [(level, where) for level, where, _ in found] == [
            ("warning", "contracts.late.LateBronze"),
            ("warning", "contracts.late.LateBronze"),
        ]
        assert "s3://${LandingBucket}/orders/late_0.csv" in found[0][2]
        assert "s3://${LandingBucket}/returns/late_0.csv" in found[1][2]

    def test_two_tables_that_share_keys_if_a_bucket_is_the_landing_bucket(self, project):
        project({**GOOD, "contracts/old.py": table("Old", "s3://files/orders/*")})
        code, level, where, problem = only()
        assert (code, level, where) == (0, "warning", "contracts.old.OldBronze")
        assert "if ${LandingBucket} is files" in problem

    def test_globs_of_other_buckets_share_nothing(self, project):
        project(
            {
                "contracts/a.py": table("A", "s3://one/x/*"),
                "contracts/b.py": table("B", "s3://two/x/*"),
            }
        )
        assert findings() == (0, [])

    def test_an_overlap_that_takes_too_long_is_said_to_be_undecided(self, project, monkeypatch):
        monkeypatch.setattr(overlaps.find_overlap, "__defaults__", (3,))
        project({**GOOD, "contracts/late.py": table("Late", "s3://${LandingBucket}/returns/*a*b*c")})
        code, level, _, problem = only()
        assert (code, level) == (0, "warning")
        assert "could not be decided" in problem


class TestInAnEnvironment:
    @pytest.fixture
    def deployed(self, project, aws_servers):
        def make(files, **parameters):
            directory = project(files)
            name = uuid.uuid4().hex[:8]
            write_samconfig(directory, "dev", f"stack-{name}")
            create_stack(f"stack-{name}", outputs={"LandingBucket": f"landing-{name}"}, parameters=parameters)
            return f"landing-{name}"

        return make

    def test_nothing_is_wrong_where_the_landing_bucket_is(self, deployed):
        client("s3").create_bucket(Bucket=deployed(GOOD))
        assert findings("--env", "dev") == (0, [])

    def test_the_landing_bucket_is_gone(self, deployed):
        landing = deployed(GOOD)
        code, level, _, problem = only("--env", "dev")
        assert (code, level) == (1, "error")
        assert f"the bucket {landing} is not there" in problem

    def test_another_bucket_is_not_there_or_may_not_be_read_by_the_job(self, deployed):
        other = f"other-{uuid.uuid4().hex[:8]}"
        client("s3").create_bucket(Bucket=other)
        landing = deployed(
            {
                **GOOD,
                "contracts/a.py": table("A", f"s3://{other}/a/*.csv"),
                "contracts/b.py": table("B", "s3://no-such-bucket-anywhere/b/*.csv"),
            }
        )
        client("s3").create_bucket(Bucket=landing)
        code, found = findings("--env", "dev")
        assert code == 1
        assert [(level, where) for level, where, _ in found] == [
            ("error", "contracts.b.BBronze"),
            ("warning", "contracts.a.ABronze"),
        ]
        assert "JobRole" in found[1][2]

    def test_keys_beside_the_landing_prefix_are_not_announced(self, deployed):
        landing = deployed(
            {**GOOD, "contracts/all.py": table("All", "s3://${LandingBucket}/*.txt")}, LandingPrefix="orders/"
        )
        client("s3").create_bucket(Bucket=landing)
        code, found = findings("--env", "dev")
        assert code == 0
        assert [(level, where) for level, where, _ in found] == [
            ("warning", "contracts.all.AllBronze"),
            ("warning", "contracts.returns.ReturnsBronze"),
        ]
        assert "not all of its files are below orders/" in found[0][2]
        assert "none of its files is below orders/" in found[1][2]

    def test_where_nothing_is_deployed_the_exit_code_is_3(self, project, aws_servers):
        write_samconfig(project(GOOD), "dev", f"stack-{uuid.uuid4().hex[:8]}")
        answer = call("validate", "--env", "dev")
        assert answer.exit_code == 3
        assert "alur deploy --env dev" in answer.stderr

    def test_a_section_that_is_not_there_has_the_exit_code_3(self, project):
        write_samconfig(project(GOOD), "dev", "stack")
        answer = call("validate", "--env", "prod")
        assert answer.exit_code == 3
        assert "prod" in answer.stderr


class TestAgainstDeployedTables:
    PRICED = {"id": "bigint", "price": "decimal(12,2)", "_batch_id": "string"}

    @pytest.fixture
    def deployed(self, project, aws_servers):
        """Deploys one contract of `id` (bigint) and `price` (decimal(12,2)), over a table of these columns."""

        def make(columns, partitions=(), more=""):
            name = uuid.uuid4().hex[:8]
            directory = project(
                {"contracts/orders.py": table("Orders", "s3://${LandingBucket}/orders/*.csv", more=more)}
            )
            write_samconfig(directory, "dev", f"stack-{name}")
            outputs = {"LandingBucket": f"landing-{name}", "Database": f"base_{name}"}
            create_stack(f"stack-{name}", outputs=outputs)
            client("s3").create_bucket(Bucket=f"landing-{name}")
            if columns is not None:
                create_iceberg_table(f"base_{name}", "orders", columns, bucket=f"lake-{name}", partitions=partitions)
            return name

        return make

    def test_a_table_that_is_as_its_contract_says_has_no_findings(self, deployed):
        deployed(self.PRICED, [("id", "bucket[4]")], more='partition_by = ["bucket(4, id)"]')
        assert findings("--env", "dev") == (0, [])

    def test_a_table_that_is_not_made_yet_has_none_either(self, deployed):
        deployed(None)
        assert findings("--env", "dev") == (0, [])

    def test_what_will_be_added_and_widened_is_said_and_no_warning(self, deployed):
        deployed({"id": "int"})
        code, found = findings("--env", "dev")
        assert code == 0
        assert [(level, where) for level, where, _ in found] == [("info", "contracts.orders.OrdersBronze")] * 2
        assert "the next run widens column id from int to bigint" in found[0][2]
        assert "the next run adds column price, decimal(12,2)" in found[1][2]
        answer = call("validate", "--env", "dev")
        assert answer.stdout.splitlines()[-1] == "1 tables, 0 pipelines: 0 errors, 0 warnings"
        assert answer.stdout.startswith("info: contracts.orders.OrdersBronze: the next run widens column id")

    def test_what_would_be_dropped_or_narrowed_is_an_error_each(self, deployed):
        deployed({"id": "string", "price": "decimal(14,2)", "note": "date"})
        code, found = findings("--env", "dev")
        assert code == 1
        assert [(level, where) for level, where, _ in found] == [("error", "contracts.orders.OrdersBronze")] * 3
        assert "column id is string in the table and bigint in the contract" in found[0][2]
        assert "column price is decimal(14,2) in the table and decimal(12,2) in the contract" in found[1][2]
        assert "column note is date in the table, and the contract has none" in found[2][2]

    def test_errors_come_before_what_is_only_said(self, deployed):
        deployed({"id": "int", "gone": "string"}, [("id", "identity")])
        code, found = findings("--env", "dev")
        assert code == 1
        assert [level for level, _, _ in found] == ["error", "warning", "info", "info"]

    def test_without_env_nobody_is_asked(self, deployed):
        deployed({"id": "string"})
        assert findings() == (0, [])

    @pytest.mark.parametrize(
        ("there", "wanted", "said"),
        [
            ([], '["id"]', "by nothing, and Meta.partition_by says `id`"),
            (
                [("id", "bucket[8]")],
                '["bucket(4, id)"]',
                "by bucket(8, `id`), and Meta.partition_by says bucket(4, `id`)",
            ),
            ([("id", "identity")], "[]", "by `id`, and Meta.partition_by says nothing"),
        ],
    )
    def test_a_partitioning_that_differs_is_a_warning_since_the_table_stays_as_it_is(
        self, deployed, there, wanted, said
    ):
        deployed(self.PRICED, there, more=f"partition_by = {wanted}")
        code, level, where, problem = only("--env", "dev")
        assert (code, level, where) == (0, "warning", "contracts.orders.OrdersBronze")
        assert said in problem
        assert "the table stays as it is" in problem

    def test_the_order_of_partitions_is_no_difference(self, deployed):
        there = [("price", "truncate[10]"), ("id", "identity")]
        deployed(self.PRICED, there, more='partition_by = ["id", "truncate(10, price)"]')
        assert findings("--env", "dev") == (0, [])

    def test_a_table_whose_description_cannot_be_read_is_compared_by_its_columns(self, deployed):
        name = deployed({"id": "int", "price": "decimal(12,2)"})
        client("s3").delete_object(Bucket=f"lake-{name}", Key="orders/metadata/00000.gz.metadata.json")
        code, found = findings("--env", "dev")
        assert code == 0
        assert [level for level, _, _ in found] == ["warning", "info"]
        assert "could not be seen" in found[0][2]

    def test_a_catalog_that_cannot_be_asked_is_a_warning(self, deployed, monkeypatch):
        def refuse(glue, database, table):
            raise CatalogError(f"{database}.{table}", "AccessDeniedException", "no")

        deployed({"id": "string"})
        monkeypatch.setattr("alur.cli.table_changes.find_table", refuse)
        code, level, _, problem = only("--env", "dev")
        assert (code, level) == (0, "warning")
        assert "AccessDeniedException" in problem

    def test_a_table_that_is_none_of_iceberg_is_an_error(self, deployed):
        name = deployed(None)
        client("glue").create_database(DatabaseInput={"Name": f"base_{name}"})
        client("glue").create_table(DatabaseName=f"base_{name}", TableInput={"Name": "orders"})
        code, level, _, problem = only("--env", "dev")
        assert (code, level) == (1, "error")
        assert f"base_{name}.orders is there and is no table of Iceberg" in problem
