// A shadow test with the AWS SDK for JavaScript v3, which finds the server by environment variables. Prints the results.
const sdk = require("@aws-sdk/client-sagemaker");
const { SageMakerRuntimeClient, InvokeEndpointCommand } = require("@aws-sdk/client-sagemaker-runtime");

const sagemaker = new sdk.SageMakerClient({});
const call = (operation, members) => sagemaker.send(new sdk[`${operation}Command`](members));

async function main([first, second, stop]) {
  const results = {};
  const created = await call("CreateInferenceExperiment", { ...first, Schedule: { StartTime: new Date(Date.now() + 3600e3) } });
  results.arn = created.InferenceExperimentArn;
  await call("CreateInferenceExperiment", second);

  const described = await call("DescribeInferenceExperiment", { Name: first.Name });
  results.created = { status: described.Status, isDate: described.CreationTime instanceof Date, metadata: described.$metadata };

  results.pages = [];
  for await (const page of sdk.paginateListInferenceExperiments({ client: sagemaker, pageSize: 1 }, { SortOrder: "Ascending" }))
    results.pages.push(page.InferenceExperiments.map(experiment => experiment.Name));

  await call("AddTags", { ResourceArn: results.arn, Tags: [{ Key: "team", Value: "Straße" }] });
  results.tags = (await call("ListTags", { ResourceArn: results.arn })).Tags;

  await call("StartInferenceExperiment", { Name: first.Name });
  results.started = (await call("DescribeInferenceExperiment", { Name: first.Name })).Status;

  const runtime = new SageMakerRuntimeClient({});
  const invocation = { EndpointName: first.EndpointName, Body: new Uint8Array([0, 255]), ContentType: "application/x-thing" };
  const answer = await runtime.send(new InvokeEndpointCommand(invocation));
  results.invoked = { body: [...answer.Body], type: answer.ContentType, variant: answer.InvokedProductionVariant };

  await call("StopInferenceExperiment", stop);
  results.stopped = (await call("DescribeInferenceExperiment", { Name: first.Name })).Status;

  results.errors = [];
  for (const [operation, members] of [
    ["DescribeInferenceExperiment", { Name: "missing" }],
    ["StartInferenceExperiment", { Name: first.Name }],
    ["CreateInferenceExperiment", second],
    ["DescribeInferenceExperiment", { Name: "no name!" }],
  ])
    await call(operation, members).catch(error => results.errors.push([error.name, error.constructor.name]));
  await runtime.send(new InvokeEndpointCommand({ ...invocation, EndpointName: "missing" }))
    .catch(error => results.errors.push([error.name, error.constructor.name]));

  console.log(JSON.stringify(results));
}

main(JSON.parse(process.argv[2]));
