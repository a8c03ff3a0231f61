"""What is read of one job."""

from uuid import UUID

from sidecar.ledger.acknowledgements import Acknowledgements
from sidecar.ledger.jobs import JobReader
from sidecar.ledger.usage import UsageReader
from sidecar.model.delivery import Part
from sidecar.model.job import IdempotencyKey, JobView, KeyTaken
from sidecar.model.route import ServiceCall


class Reading:
    """The part of the ledger that tells of a job, and changes nothing."""

    usage: UsageReader
    _acknowledgements: Acknowledgements
    _jobs: JobReader

    async def parts(self, job_id: UUID) -> list[Part]:
        """Read the parts of an aggregate."""
        return await self._jobs.parts(job_id)

    async def job(self, job_id: UUID) -> JobView | None:
        """Read a job as its owner may see it."""
        await self._acknowledgements.tell(job_id)
        return await self._jobs.view(job_id)

    async def key_holder(self, key: IdempotencyKey) -> KeyTaken | None:
        """Tell which job has an idempotency key, without storing anything."""
        return await self.usage.holder(key)

    async def service_call(self, job_id: UUID, service: str) -> ServiceCall | None:
        """Read what a job keeps of its route for one service."""
        return await self._jobs.service_call(job_id, service)
