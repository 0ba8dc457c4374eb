package restapi

// What may be patched, by kind.
//
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html

func apiRules() []rule {
	return []rule{
		{"/name", "add,replace", aText},
		{"/description", "add,replace,remove", aText},
		{"/version", "add,replace,remove", aText},
		{"/policy", "add,replace,remove", aText},
		{"/apiKeySource", "add,replace", aText},
		{"/minimumCompressionSize", "add,replace,remove", anInt},
		{"/disableExecuteApiEndpoint", "add,replace", aBool},
		{"/binaryMediaTypes/*", "add,replace,remove", aMember},
		{"/endpointConfiguration/types/*", "add,replace,remove", aMember},
		{"/endpointConfiguration/vpcEndpointIds/*", "add,replace,remove", aMember},
		{"/endpointConfiguration/vpcEndpointIds", "add,replace,remove", aList},
		{"/endpointConfiguration/ipAddressType", "add,replace", aText},
		{"/securityPolicy", "add,replace,remove", aText},
		{"/endpointAccessMode", "add,replace,remove", aText},
	}
}

func methodRules() []rule {
	return []rule{
		{"/authorizationType", "add,replace", aText},
		{"/authorizerId", "add,replace,remove", aText},
		{"/authorizationScopes", "add,remove", aList},
		{"/authorizationScopes/*", "add,replace,remove", aMember},
		{"/apiKeyRequired", "add,replace", aBool},
		{"/operationName", "add,replace,remove", aText},
		{"/requestValidatorId", "add,replace,remove", aText},
		{"/requestParameters/*", "add,replace,remove", aBoolIn},
		{"/requestModels/*", "add,replace,remove", aTextIn},
	}
}

func methodResponseRules() []rule {
	return []rule{
		{"/responseParameters/*", "add,replace,remove", aBoolIn},
		{"/responseModels/*", "add,replace,remove", aTextIn},
		{"/statusCode", "replace", aText},
	}
}

func integrationRules() []rule {
	return []rule{
		{"/type", "replace", aText},
		{"/httpMethod", "add,replace", aText},
		{"/uri", "add,replace", aText},
		{"/connectionType", "add,replace", aText},
		{"/connectionId", "add,replace,remove", aText},
		{"/credentials", "add,replace,remove", aText},
		{"/passthroughBehavior", "add,replace", aText},
		{"/contentHandling", "add,replace,remove", aText},
		{"/timeoutInMillis", "add,replace", anInt},
		{"/responseTransferMode", "add,replace", aText},
		{"/cacheNamespace", "add,replace", aText},
		{"/cacheKeyParameters", "add,remove", aList},
		{"/cacheKeyParameters/*", "add,replace,remove", aMember},
		{"/requestParameters", "remove", aThing},
		{"/requestParameters/*", "add,replace,remove", aTextIn},
		{"/requestTemplates/*", "add,replace,remove", aTextIn},
		{"/tlsConfig/insecureSkipVerification", "add,replace", aBool},
		{"/tlsConfig", "remove", aThing},
	}
}

func integrationResponseRules() []rule {
	return []rule{
		{"/selectionPattern", "add,replace,remove", aText},
		{"/contentHandling", "add,replace,remove", aText},
		{"/responseParameters/*", "add,replace,remove", aTextIn},
		{"/responseTemplates/*", "add,replace,remove", aTextIn},
		{"/statusCode", "replace", aText},
	}
}

func authorizerRules() []rule {
	return []rule{
		{"/name", "add,replace", aText},
		{"/type", "add,replace", aText},
		{"/authType", "add,replace,remove", aText},
		{"/authorizerUri", "add,replace", aText},
		{"/authorizerCredentials", "add,replace,remove", aText},
		{"/authorizerResultTtlInSeconds", "add,replace", anInt},
		{"/identitySource", "add,replace,remove", aText},
		{"/identityValidationExpression", "add,replace,remove", aText},
		{"/providerARNs", "add,remove", aList},
		{"/providerARNs/*", "add,replace,remove", aMember},
	}
}

func stageRules() []rule {
	return []rule{
		{"/deploymentId", "replace", aText},
		{"/description", "add,replace,remove", aText},
		{"/variables/*", "add,replace,remove", aTextIn},
		{"/accessLogSettings", "remove", aThing},
		{"/accessLogSettings/destinationArn", "add,replace,remove", aText},
		{"/accessLogSettings/format", "add,replace,remove", aText},
		{"/tracingEnabled", "add,replace", aBool},
		{"/cacheClusterEnabled", "add,replace", aBool},
		{"/cacheClusterSize", "add,replace", aText},
		{"/clientCertificateId", "add,replace,remove", aText},
		{"/documentationVersion", "add,replace,remove", aText},
	}
}

// settingPaths are what "/{resource}/{method}/..." of a stage patches.
//
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateStage-Patch
func settingPaths() map[string]rule {
	return map[string]rule{
		"metrics/enabled":                                {"metricsEnabled", "add,replace,remove", aBool},
		"logging/loglevel":                               {"loggingLevel", "add,replace,remove", aText},
		"logging/dataTrace":                              {"dataTraceEnabled", "add,replace,remove", aBool},
		"throttling/burstLimit":                          {"throttlingBurstLimit", "add,replace,remove", anInt},
		"throttling/rateLimit":                           {"throttlingRateLimit", "add,replace,remove", aNumber},
		"caching/enabled":                                {"cachingEnabled", "add,replace,remove", aBool},
		"caching/ttlInSeconds":                           {"cacheTtlInSeconds", "add,replace,remove", anInt},
		"caching/dataEncrypted":                          {"cacheDataEncrypted", "add,replace,remove", aBool},
		"caching/requireAuthorizationForCacheControl":    {"requireAuthorizationForCacheControl", "add,replace,remove", aBool},
		"caching/unauthorizedCacheControlHeaderStrategy": {"unauthorizedCacheControlHeaderStrategy", "add,replace,remove", aText},
	}
}

func deploymentRules() []rule { return []rule{{"/description", "add,replace,remove", aText}} }

func keyRules() []rule {
	return []rule{
		{"/name", "add,replace", aText},
		{"/description", "add,replace,remove", aText},
		{"/enabled", "add,replace", aBool},
		{"/customerId", "add,replace,remove", aText},
	}
}

func planRules() []rule {
	return []rule{
		{"/name", "add,replace", aText},
		{"/description", "add,replace,remove", aText},
		{"/productCode", "add,replace,remove", aText},
		{"/throttle", "remove", aThing},
		{"/throttle/rateLimit", "add,replace", aNumber},
		{"/throttle/burstLimit", "add,replace", anInt},
		{"/quota", "remove", aThing},
		{"/quota/limit", "add,replace", anInt},
		{"/quota/offset", "add,replace", anInt},
		{"/quota/period", "add,replace", aText},
	}
}

func modelRules() []rule {
	return []rule{{"/description", "add,replace,remove", aText}, {"/schema", "add,replace", aText}}
}

func validatorRules() []rule {
	return []rule{
		{"/name", "add,replace", aText},
		{"/validateRequestBody", "add,replace", aBool},
		{"/validateRequestParameters", "add,replace", aBool},
	}
}

func gatewayResponseRules() []rule {
	return []rule{
		{"/statusCode", "add,replace,remove", aText},
		{"/responseParameters", "add,replace,remove", aTextMap},
		{"/responseParameters/*", "add,replace,remove", aTextIn},
		{"/responseTemplates", "add,replace,remove", aTextMap},
		{"/responseTemplates/*", "add,replace,remove", aTextIn},
	}
}

func domainRules() []rule {
	return []rule{
		{"/certificateName", "add,replace", aText},
		{"/certificateArn", "add,replace", aText},
		{"/regionalCertificateName", "add,replace", aText},
		{"/regionalCertificateArn", "add,replace", aText},
		{"/securityPolicy", "add,replace", aText},
		{"/endpointConfiguration/types/*", "add,replace,remove", aMember},
		{"/endpointConfiguration/ipAddressType", "add,replace", aText},
		{"/routingMode", "add,replace", aText},
	}
}

func mappingRules() []rule {
	return []rule{
		{"/basePath", "add,replace", aText},
		{"/basepath", "add,replace", aText},
		{"/restapiId", "add,replace", aText},
		{"/restApiId", "add,replace", aText},
		{"/stage", "add,replace,remove", aText},
	}
}

func accountRules() []rule { return []rule{{"/cloudwatchRoleArn", "add,replace,remove", aText}} }

func resourceRules() []rule {
	return []rule{{"/pathPart", "replace", aText}, {"/parentId", "replace", aText}}
}
