// A shadow test's story by the AWS SDK for JavaScript v3, which finds the server by its environment. Prints what it saw.
const sdk = require("@aws-sdk/client-sagemaker");
const { SageMakerRuntimeClient, InvokeEndpointCommand } = require("@aws-sdk/client-sagemaker-runtime");

const sagemaker = new sdk.SageMakerClient({});
const call = (operation, members) => sagemaker.send(new sdk[`${operation}Command`](members));

async function main([first, second, stop]) {
  const seen = {};
  const created = await call("CreateInferenceExperiment", { ...first, Schedule: { StartTime: new Date(Date.now() + 3600e3) } });
  seen.arn = created.InferenceExperimentArn;
  await call("CreateInferenceExperiment", second);

  const described = await call("DescribeInferenceExperiment", { Name: first.Name });
  seen.created = { status: described.Status, isDate: described.CreationTime instanceof Date, metadata: described.$metadata };

  seen.pages = [];
  for await (const page of sdk.paginateListInferenceExperiments({ client: sagemaker, pageSize: 1 }, { SortOrder: "Ascending" }))
    seen.pages.push(page.InferenceExperiments.map(experiment => experiment.Name));

  await call("AddTags", { ResourceArn: seen.arn, Tags: [{ Key: "team", Value: "Straße" }] });
  seen.tags = (await call("ListTags", { ResourceArn: seen.arn })).Tags;

  await call("StartInferenceExperiment", { Name: first.Name });
  seen.started = (await call("DescribeInferenceExperiment", { Name: first.Name })).Status;

  const runtime = new SageMakerRuntimeClient({});
  const invocation = { EndpointName: first.EndpointName, Body: new Uint8Array([0, 255]), ContentType: "application/x-thing" };
  const answer = await runtime.send(new InvokeEndpointCommand(invocation));
  seen.invoked = { body: [...answer.Body], type: answer.ContentType, variant: answer.InvokedProductionVariant };

  await call("StopInferenceExperiment", stop);
  seen.stopped = (await call("DescribeInferenceExperiment", { Name: first.Name })).Status;

  seen.errors = [];
  for (const [operation, members] of [
    ["DescribeInferenceExperiment", { Name: "missing" }],
    ["StartInferenceExperiment", { Name: first.Name }],
    ["CreateInferenceExperiment", second],
    ["DescribeInferenceExperiment", { Name: "no name!" }],
  ])
    await call(operation, members).catch(error => seen.errors.push([error.name, error.constructor.name]));
  await runtime.send(new InvokeEndpointCommand({ ...invocation, EndpointName: "missing" }))
    .catch(error => seen.errors.push([error.name, error.constructor.name]));

  console.log(JSON.stringify(seen));
}

main(JSON.parse(process.argv[2]));
